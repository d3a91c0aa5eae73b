import { randomBytes } from 'node:crypto';
import type { IncomingHttpHeaders } from 'node:http';

/** A caller's request id goes into logs and problem bodies, so only plain ones are taken over. */
const REQUEST_ID = /^[A-Za-z0-9._~-]{1,128}$/;

const process = randomBytes(9).toString('base64url');
let count = 0;

/** The caller's own, else one that no other request of any process has. */
export function requestIdOf(headers: IncomingHttpHeaders): string {
  const id = headers['x-request-id'];
  if (typeof id === 'string' && REQUEST_ID.test(id)) return id;
  count += 1;
  return `${process}-${count.toString(36)}`;
}
