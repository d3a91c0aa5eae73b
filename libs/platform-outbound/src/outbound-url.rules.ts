import { BlockList, isIP } from 'node:net';

const MAX_URL_LENGTH = 2048;

/**
 * How far calls to URLs of users may go. `public`: `https://` anywhere in the Internet. `loopback`, for development: also
 * `http://localhost` and `http://127.0.0.0/8`. `private`, for services beside this one: also by `http://`, and to every
 * address but those that no service has, which are the link-local ones (a cloud's metadata service among them).
 */
export type OutboundReach = 'public' | 'loopback' | 'private';

/** Where a call goes, and how far its connections may lead. */
export interface OutboundTarget {
  url: URL;
  reach: OutboundReach;
}

/**
 * What is not reachable from the Internet, or is no place of its own there: the IANA special-purpose address registries
 * (RFC 6890) and multicast.
 */
const NOT_PUBLIC_IPV4 = [
  '0.0.0.0/8',
  '10.0.0.0/8',
  '100.64.0.0/10',
  '127.0.0.0/8',
  '169.254.0.0/16',
  '172.16.0.0/12',
  '192.0.0.0/24',
  '192.0.2.0/24',
  '192.88.99.0/24',
  '192.168.0.0/16',
  '198.18.0.0/15',
  '198.51.100.0/24',
  '203.0.113.0/24',
  '224.0.0.0/4',
  '240.0.0.0/4',
];

/** Only 2000::/3 is assigned to be reached; of that, what carries another address in it or is for documents. */
const NOT_PUBLIC_IPV6 = ['::/3', '2001::/23', '2001:db8::/32', '2002::/16', '3fff::/20', '4000::/2', '8000::/1'];

/** Where no service of a private network is: unspecified, link-local, multicast. */
const NO_SERVICE_IPV4 = ['0.0.0.0/8', '169.254.0.0/16', '224.0.0.0/4', '240.0.0.0/4'];

/** The same, what carries an IPv4 address in it, and the metadata service that has a private address. */
const NO_SERVICE_IPV6 = [
  '::/128',
  '::ffff:0:0/96',
  '64:ff9b::/96',
  '2001::/32',
  '2002::/16',
  'fd00:ec2::/32',
  'fe80::/10',
  'ff00::/8',
];

/** A list for each family: to a BlockList every IPv4 address is in `::/3`, as the IPv6 address that maps to it. */
interface Ranges {
  ipv4: BlockList;
  ipv6: BlockList;
}

const notPublic: Ranges = { ipv4: blockList('ipv4', NOT_PUBLIC_IPV4), ipv6: blockList('ipv6', NOT_PUBLIC_IPV6) };
const noService: Ranges = { ipv4: blockList('ipv4', NO_SERVICE_IPV4), ipv6: blockList('ipv6', NO_SERVICE_IPV6) };
const loopback: Ranges = { ipv4: blockList('ipv4', ['127.0.0.0/8']), ipv6: blockList('ipv6', ['::1/128']) };

function blockList(family: keyof Ranges, ranges: string[]): BlockList {
  const list = new BlockList();
  for (const range of ranges) {
    const [network, prefix] = range.split('/') as [string, string];
    list.addSubnet(network, Number(prefix), family);
  }
  return list;
}

function contains(ranges: Ranges, address: string): boolean {
  const family = isIP(address) === 6 ? 'ipv6' : 'ipv4';
  return ranges[family].check(address, family);
}

/**
 * Whether a URL may be called, and how far, or else why not, as the end of "The URL …". What its name resolves to is for
 * `mayConnect` to judge, at every connection.
 */
export function judgeOutboundUrl(text: string, allowed: OutboundReach): OutboundTarget | { refused: string } {
  if (text.length > MAX_URL_LENGTH) return { refused: `has at most ${MAX_URL_LENGTH} characters` };
  if (!URL.canParse(text)) return { refused: 'is not an absolute URL' };
  const url = new URL(text);
  if (url.username || url.password) return { refused: 'must not carry a user or a password' };
  // URL writes addresses in one way, and IPv6 in brackets.
  const host = url.hostname.replace(/^\[|\]$/g, '');
  if (allowed === 'private') return judgePrivate(url, host);
  if (url.protocol === 'http:' && allowed === 'loopback' && isLoopbackHost(host)) return { url, reach: 'loopback' };
  if (url.protocol !== 'https:') return { refused: 'must begin with https://' };
  if (isLocalName(host) || (isIP(host) && contains(notPublic, host))) {
    return { refused: 'must lead to the public Internet' };
  }
  return { url, reach: 'public' };
}

function judgePrivate(url: URL, host: string): OutboundTarget | { refused: string } {
  if (url.protocol !== 'https:' && url.protocol !== 'http:') return { refused: 'must begin with https:// or http://' };
  if (isIP(host) && contains(noService, host)) return { refused: 'must not lead to a link-local address' };
  return { url, reach: 'private' };
}

const isLoopbackHost = (host: string) => host === 'localhost' || (isIP(host) === 4 && contains(loopback, host));

const isLocalName = (host: string) => /(^|\.)localhost\.?$/.test(host);

/** Whether a connection for a target of this reach may go to an address that its name resolved to. */
export function mayConnect(reach: OutboundReach, address: string): boolean {
  if (reach === 'loopback') return contains(loopback, address);
  return !contains(reach === 'public' ? notPublic : noService, address);
}
