import type { lookup, LookupAddress } from 'node:dns';
import type { LookupFunction } from 'node:net';
import { checkedLookup, OutboundAddressRefused } from '../src/checked-lookup.js';
import type { OutboundReach } from '../src/outbound-url.rules.js';

const answers =
  (...addresses: string[]) =>
  (hostname: string, _options: unknown, callback: (error: Error | null, found: LookupAddress[]) => void) =>
    hostname === 'broken.example'
      ? callback(new Error('ENOTFOUND'), [])
      : callback(
          null,
          addresses.map((address) => ({ address, family: address.includes(':') ? 6 : 4 })),
        );

function resolve(reach: OutboundReach, hostname: string, addresses: string[], all: boolean) {
  const lookupWith = checkedLookup(reach, answers(...addresses) as unknown as typeof lookup) as LookupFunction;
  return new Promise<unknown>((settle, reject) =>
    lookupWith(hostname, { all }, (error, found) => (error ? reject(error) : settle(found))),
  );
}

describe('the address that a call goes to (S8)', () => {
  it('is what the name leads to, of either family', async () => {
    expect(await resolve('public', 'hooks.example', ['93.184.216.34', '2606:4700::1'], true)).toEqual([
      { address: '93.184.216.34', family: 4 },
      { address: '2606:4700::1', family: 6 },
    ]);
    expect(await resolve('public', 'hooks.example', ['93.184.216.34'], false)).toBe('93.184.216.34');
  });

  it.each<[string, string[]]>([
    ['a private address', ['10.0.0.1']],
    ['the metadata service', ['169.254.169.254']],
    ['this machine', ['127.0.0.1']],
    ['a public and a private address', ['93.184.216.34', '192.168.1.1']],
    ['an IPv6 address of this network', ['fd00::1']],
    ['nothing', []],
  ])('is refused when the name leads to %s, at the time of the call', async (_, addresses) => {
    await expect(resolve('public', 'hooks.example', addresses, true)).rejects.toThrow(OutboundAddressRefused);
    await expect(resolve('public', 'hooks.example', addresses, false)).rejects.toThrow(OutboundAddressRefused);
  });

  it('of this machine is refused when the name leads elsewhere', async () => {
    await expect(resolve('loopback', 'localhost', ['93.184.216.34'], true)).rejects.toThrow(OutboundAddressRefused);
    expect(await resolve('loopback', 'localhost', ['127.0.0.1'], false)).toBe('127.0.0.1');
  });

  it('in a private network is refused when the name leads to where clouds keep their credentials', async () => {
    expect(await resolve('private', 'agent.svc', ['10.0.0.1'], false)).toBe('10.0.0.1');
    await expect(resolve('private', 'agent.svc', ['169.254.169.254'], false)).rejects.toThrow(OutboundAddressRefused);
  });

  it('that cannot be found is an error of the network', async () => {
    await expect(resolve('public', 'broken.example', [], true)).rejects.toThrow('ENOTFOUND');
  });
});
