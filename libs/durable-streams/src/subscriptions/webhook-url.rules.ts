import { BlockList, isIP } from 'node:net';
import { WebhookUrlRejected } from './subscriptions.errors.js';

const MAX_URL_LENGTH = 2048;

/**
 * What is not reachable from the Internet, or is no place of its own there: the IANA special-purpose address registries
 * (RFC 6890) and multicast.
 */
const FORBIDDEN_IPV4 = [
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
const FORBIDDEN_IPV6 = ['::/3', '2001::/23', '2001:db8::/32', '2002::/16', '3fff::/20', '4000::/2', '8000::/1'];

/** A list for each family: to a BlockList every IPv4 address is in `::/3`, as the IPv6 address that maps to it. */
interface Ranges {
  ipv4: BlockList;
  ipv6: BlockList;
}

const forbidden: Ranges = { ipv4: blockList('ipv4', FORBIDDEN_IPV4), ipv6: blockList('ipv6', FORBIDDEN_IPV6) };
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

/** Where a webhook goes: to the Internet, or in development to a process on this machine. */
export interface WebhookTarget {
  url: URL;
  isLoopback: boolean;
}

/**
 * What may be called (Durable Streams, section 12.8): `https://` anywhere in the Internet, and with `allowLoopback`
 * `http://localhost` and `http://127.0.0.0/8`. What a name resolves to is for `mayConnect` to judge, at every connection.
 * Errors: webhook_url_rejected.
 */
export function parseWebhookUrl(text: string, { allowLoopback }: { allowLoopback: boolean }): WebhookTarget {
  if (text.length > MAX_URL_LENGTH) {
    throw WebhookUrlRejected({ reason: `The URL of a webhook has at most ${MAX_URL_LENGTH} characters.` });
  }
  if (!URL.canParse(text)) throw WebhookUrlRejected({ reason: 'webhook.url is not an absolute URL.' });
  const url = new URL(text);
  if (url.username || url.password) {
    throw WebhookUrlRejected({ reason: 'A webhook URL must not carry a user or a password.' });
  }
  // URL writes addresses in one way, and IPv6 in brackets.
  const host = url.hostname.replace(/^\[|\]$/g, '');
  if (url.protocol === 'http:' && allowLoopback && isLoopbackHost(host)) return { url, isLoopback: true };
  if (url.protocol !== 'https:') throw WebhookUrlRejected({ reason: 'A webhook URL must begin with https://.' });
  if (isLocalName(host) || (isIP(host) && contains(forbidden, host))) {
    throw WebhookUrlRejected({ reason: 'A webhook URL must lead to the public Internet.' });
  }
  return { url, isLoopback: false };
}

const isLoopbackHost = (host: string) => host === 'localhost' || (isIP(host) === 4 && contains(loopback, host));

const isLocalName = (host: string) => /(^|\.)localhost\.?$/.test(host);

/** Whether a connection for this target may go to an address that its name resolved to. */
export function mayConnect({ isLoopback }: Pick<WebhookTarget, 'isLoopback'>, address: string): boolean {
  return isLoopback ? contains(loopback, address) : !contains(forbidden, address);
}
