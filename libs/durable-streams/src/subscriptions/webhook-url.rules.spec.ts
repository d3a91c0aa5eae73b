import { mayConnect, parseWebhookUrl } from './webhook-url.rules.js';

const refused = (text: string, allowLoopback = false) =>
  expect(() => parseWebhookUrl(text, { allowLoopback })).toThrow(
    expect.objectContaining({ code: 'webhook_url_rejected', members: { error: { code: 'WEBHOOK_URL_REJECTED' } } }),
  );

describe('where a webhook may go (S8)', () => {
  it.each([
    'https://hooks.example/in?key=1',
    'https://hooks.example:8443/',
    'https://8.8.8.8/',
    'https://[2606:4700::1111]/',
  ])('to the Internet: %s', (text) => {
    expect(parseWebhookUrl(text, { allowLoopback: false })).toMatchObject({ isLoopback: false });
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
    refused(text, true);
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
    refused(text, true);
  });

  it.each(['http://localhost:3000/', 'http://127.0.0.1/', 'http://127.1.2.3:80/in'])(
    'to this machine where that is configured: %s',
    (text) => {
      expect(parseWebhookUrl(text, { allowLoopback: true })).toMatchObject({ isLoopback: true });
      refused(text);
    },
  );

  it.each(['http://127.0.0.1.example/', 'http://localhost.example/', 'http://[::1]/', 'http://10.0.0.1/'])(
    'and then to nothing else without TLS: %s',
    (text) => refused(text, true),
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
    expect(mayConnect({ isLoopback: false }, address)).toBe(publicly);
    expect(mayConnect({ isLoopback: true }, address)).toBe(locally);
  });
});
