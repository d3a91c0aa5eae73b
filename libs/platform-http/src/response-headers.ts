import type { FastifyReply, FastifyRequest } from 'fastify';

export const BASE_HEADERS: [name: string, value: string][] = [
  ['x-content-type-options', 'nosniff'],
  // Who may read is for the credential to say, and pages of any origin bring their own.
  ['cross-origin-resource-policy', 'cross-origin'],
  ['content-security-policy', "default-src 'none'; frame-ancestors 'none'"],
  ['referrer-policy', 'no-referrer'],
  ['cache-control', 'no-store'],
];

/** On the raw response, so that replies which a handler takes over carry them too. A handler may overwrite each. */
export function setBaseHeaders(request: FastifyRequest, reply: FastifyReply): void {
  for (const [name, value] of BASE_HEADERS) reply.raw.setHeader(name, value);
  reply.raw.setHeader('x-request-id', request.id);
}
