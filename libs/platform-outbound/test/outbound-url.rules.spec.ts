import { judgeOutboundUrl, mayConnect, type OutboundReach } from '../src/outbound-url.rules.js';

const refused = (text: string, allowed: OutboundReach = 'public') =>
  expect(judgeOutboundUrl(text, allowed)).toEqual({ refused: expect.any(String) as string });

describe('where a call may go (S8)', () => {
  it.each([
    'https://hooks.example/in?key=1',
    'https://hooks.example:8443/',
    'https://8.8.8.8/',
    'https://[2606:4700::1111]/',
  ])('to the Internet: %s', (text) => {
    expect(judgeOutboundUrl(text, 'public')).toMatchObject({ reach: 'public' });
  });

  it.each([
    'http://hooks.example/',
    'ftp://hooks.example/',
    'file:///etc/passwd',
    'hooks.example',
    '/in',
    '',
    'https://',
  ])('by https only, not %s', (text) => {
    refused(text);
    refused(text, 'loopback');
  });

  it.each([
    'https://10.0.0.1/',
    'https://172.16.3.4/',
    'https://192.168.0.1/',
    'https://127.0.0.1/',
    'https://169.254.169.254/latest/meta-data',
    'https://100.64.0.1/',
    'https://0.0.0.0/',
    'https://255.255.255.255/',
    'https://224.0.0.1/',
    'https://2130706433/',
    'https://0x7f.1/',
    'https://0177.0.0.1/',
    'https://127.1/',
    'https://[::1]/',
    'https://[::]/',
    'https://[::ffff:10.0.0.1]/',
    'https://[::ffff:8.8.8.8]/',
    'https://[64:ff9b::a00:1]/',
    'https://[fd00::1]/',
    'https://[fe80::1]/',
    'https://[ff02::1]/',
    'https://[2002:a00:1::]/',
    'https://[2001:db8::1]/',
    'https://localhost/',
    'https://LOCALHOST./',
    'https://db.localhost/',
    'https://user:password@hooks.example/',
    'https://user@hooks.example/',
    `https://hooks.example/${'a'.repeat(2_048)}`,
  ])('not to %s', (text) => {
    refused(text);
    refused(text, 'loopback');
  });

  it.each(['http://localhost:3000/', 'http://127.0.0.1/', 'http://127.1.2.3:80/in'])(
    'to this machine where that is configured: %s',
    (text) => {
      expect(judgeOutboundUrl(text, 'loopback')).toMatchObject({ reach: 'loopback' });
      refused(text);
    },
  );

  it.each(['http://127.0.0.1.example/', 'http://localhost.example/', 'http://[::1]/', 'http://10.0.0.1/'])(
    'and then to nothing else without TLS: %s',
    (text) => refused(text, 'loopback'),
  );

  it.each([
    ['93.184.216.34', true, false],
    ['2606:4700::1111', true, false],
    ['10.1.2.3', false, false],
    ['::ffff:127.0.0.1', false, false],
    ['127.0.0.1', false, true],
    ['::1', false, true],
    ['fd12::1', false, false],
  ])('a name may lead to %s: from a public URL %s, from one of this machine %s', (address, publicly, locally) => {
    expect(mayConnect('public', address)).toBe(publicly);
    expect(mayConnect('loopback', address)).toBe(locally);
  });

  it.each([
    'http://10.0.0.1:8080/start',
    'http://agent.default.svc/',
    'https://localhost/',
    'http://[fd00::1]/',
    'https://hooks.example/in',
  ])('to a private network where that is configured: %s', (text) => {
    expect(judgeOutboundUrl(text, 'private')).toMatchObject({ reach: 'private' });
  });

  it.each([
    'http://169.254.169.254/latest/meta-data',
    'http://0.0.0.0/',
    'http://[fe80::1]/',
    'http://[fd00:ec2::254]/',
    'http://[::ffff:169.254.169.254]/',
    'http://224.0.0.1/',
    'ftp://10.0.0.1/',
    'http://user@10.0.0.1/',
  ])('and then not to %s', (text) => refused(text, 'private'));

  it.each([
    ['10.1.2.3', true],
    ['127.0.0.1', true],
    ['fd12::1', true],
    ['169.254.169.254', false],
    ['fe80::1', false],
    ['::ffff:10.0.0.1', false],
  ])('a name of a private network may lead to %s: %s', (address, allowed) => {
    expect(mayConnect('private', address)).toBe(allowed);
  });
});
