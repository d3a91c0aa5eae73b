import { lookup as resolve } from 'node:dns';
import type { LookupFunction } from 'node:net';
import { mayConnect, type OutboundReach } from './outbound-url.rules.js';

/** A name leads to where no call may go. */
export class OutboundAddressRefused extends Error {
  constructor(hostname: string) {
    super(`"${hostname}" leads to an address that may not be called`);
  }
}

/**
 * For the `lookup` of a connection: resolves like the system does, and refuses a name of which any address is forbidden. So
 * the address is checked as the connection is made, and a name which resolves to another one than before gains nothing.
 */
export function checkedLookup(reach: OutboundReach, lookup = resolve): LookupFunction {
  return (hostname, options, callback) => {
    lookup(hostname, { ...options, all: true }, (error, addresses) => {
      if (error) return callback(error, '', 0);
      if (!addresses.length || addresses.some(({ address }) => !mayConnect(reach, address))) {
        return callback(new OutboundAddressRefused(hostname), '', 0);
      }
      if (options.all) return callback(null, addresses);
      callback(null, addresses[0]!.address, addresses[0]!.family);
    });
  };
}
