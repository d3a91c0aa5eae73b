import type { FastifyRequest } from 'fastify';

/** Routes below it take any body as it came: a `Buffer` in `request.body`, whatever its content type. */
export const RAW_BODY_PREFIX = '/v1/stream/';
export const RAW_BODY_LIMIT_BYTES = 16 * 1024 * 1024;

export function isRawBodyRoute(url: string | undefined): boolean {
  return url?.startsWith(RAW_BODY_PREFIX) ?? false;
}

/** By the route that was matched, because the URL itself may be percent-encoded. */
export function takesRawBody(request: FastifyRequest): boolean {
  return isRawBodyRoute(request.routeOptions.url);
}
