import type { Socket } from 'node:net';
import { v7 as uuidv7 } from 'uuid';
import { RequestMalformed } from './http.errors.js';
import { problemHeaders, problemOf } from './problem.rules.js';

/** By Node's error codes; whatever else the parser refuses is not HTTP. */
const REASONS: Record<string, string> = {
  HPE_HEADER_OVERFLOW: 'The headers are too large.',
  ERR_HTTP_REQUEST_TIMEOUT: 'The request did not arrive in time.',
};

/** Answers what Node could not read as a request. There is no request and no reply, only the socket. */
export function answerClientError(error: { code?: string }, socket: Socket): void {
  if (error.code === 'ECONNRESET' || !socket.writable) {
    socket.destroy();
    return;
  }
  const reason = REASONS[error.code ?? ''] ?? 'This is not an HTTP request.';
  const problem = problemOf(RequestMalformed({ reason }), uuidv7());
  const body = JSON.stringify(problem);
  const headers = { ...problemHeaders(problem), 'content-length': Buffer.byteLength(body), connection: 'close' };
  const lines = Object.entries(headers).map(([name, value]) => `${name}: ${value}`);
  socket.end([`HTTP/1.1 ${problem.status} Bad Request`, ...lines, '', body].join('\r\n'));
}
