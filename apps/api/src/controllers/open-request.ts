import type { FastifyRequest } from 'fastify';
import type { Draining } from '@holdfast/platform-http';

/** A request that stays open. */
export interface OpenRequest {
  /** Aborts when the caller leaves or the process drains. */
  signal: AbortSignal;
  /** To be called when the request is over. */
  done(): void;
}

export function openRequest(request: FastifyRequest, draining: Draining): OpenRequest {
  const ended = new AbortController();
  const end = () => ended.abort();
  // The request's own 'close' comes as soon as its body is read; the socket's comes when the caller leaves.
  request.raw.socket.once('close', end);
  // It may have come while the request was let in.
  if (request.raw.socket.destroyed) end();
  const release = draining.add(end);
  return {
    signal: ended.signal,
    done: () => {
      request.raw.socket.off('close', end);
      release();
    },
  };
}
