import type { IncomingMessage } from 'node:http';
import type { Draining } from '@holdfast/platform-http';

/** A request that stays open. */
export interface OpenRequest {
  /** Aborts when the caller leaves or the process drains. */
  signal: AbortSignal;
  /** To be called when the request is over. */
  done(): void;
}

export function openRequest(raw: IncomingMessage, draining: Draining): OpenRequest {
  const ended = new AbortController();
  const end = () => ended.abort();
  // The request's own 'close' comes as soon as its body is read; the socket's comes when the caller leaves.
  raw.socket.once('close', end);
  // It may have come while the request was let in.
  if (raw.socket.destroyed) end();
  const release = draining.add(end);
  return {
    signal: ended.signal,
    done: () => {
      raw.socket.off('close', end);
      release();
    },
  };
}
