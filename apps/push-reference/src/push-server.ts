import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import { acceptedFrame, errorFrame, parsePushRequest, type PushRequest } from './push-request.js';
import type { SignedMessage } from './signatures.js';

/** Longer than any request: a prompt takes at most 256 Ki characters. */
const MAX_BODY_BYTES = 4 * 1024 * 1024;

/** What a service needs besides its socket. */
export interface PushService {
  isFromHoldfast(message: SignedMessage): Promise<boolean>;
  /** Runs the turn to its end. */
  run(request: PushRequest): Promise<void>;
}

/**
 * Accepts turns: answers one NDJSON frame and goes on without the connection. A call that comes again for an attempt is
 * accepted again, and starts nothing.
 */
export function createPushServer(service: PushService): Server {
  const attempts = new Set<string>();

  async function answer(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const body = await readBody(request);
    if (!body) return send(response, 413, errorFrame('too_large', 'The request is too large.'));
    if (!(await service.isFromHoldfast({ headers: request.headers, body }))) {
      return send(response, 401, errorFrame('signature', 'The signature is missing or wrong.'));
    }
    const push = parsePushRequest(body.toString('utf8'));
    if (!push) return send(response, 200, errorFrame('schema', 'This service speaks holdfast.push.v1.'));

    const attempt = `${push.turn_id}.${push.epoch}`;
    send(response, 200, acceptedFrame(push.turn_id));
    if (attempts.has(attempt)) return;
    attempts.add(attempt);
    await service.run(push).finally(() => attempts.delete(attempt));
  }

  return createServer((request, response) => {
    answer(request, response).catch((error: unknown) => {
      console.error(error);
      if (!response.headersSent) send(response, 500, errorFrame('failed', 'See the log of the service.'));
    });
  });
}

function send(response: ServerResponse, status: number, frame: object): void {
  response.writeHead(status, { 'content-type': 'application/x-ndjson' }).end(`${JSON.stringify(frame)}\n`);
}

/** Undefined when it is too long. */
async function readBody(request: IncomingMessage): Promise<Buffer | undefined> {
  const chunks: Buffer[] = [];
  let bytes = 0;
  for await (const chunk of request as AsyncIterable<Buffer>) {
    bytes += chunk.length;
    if (bytes > MAX_BODY_BYTES) return undefined;
    chunks.push(chunk);
  }
  return Buffer.concat(chunks);
}
