import { HoldfastError, isPassing } from './errors.js';
import { backoffMs, pause } from './pause.js';

const BACKOFF = { first: 100, longest: 3_000 };
/** A connection that ends sooner counts as a failure, or a broken proxy would be asked again and again at once. */
const HEALTHY_MS = 1_000;

/** Told when it changes; the api's own regular ends of connections do not count. */
export type ConnectionState = { status: 'connected' } | { status: 'reconnecting'; error: unknown };

export interface ConnectionOptions {
  /** Ends the iteration. */
  signal?: AbortSignal;
  onConnection?: (state: ConnectionState) => void;
}

/**
 * What one connection after the other brings, until `signal` aborts. `connect` begins where what it brought before has
 * ended. Throws what waiting would not help against.
 */
export async function* keepConnected<Item>(
  connect: () => AsyncGenerator<Item, void, undefined>,
  { signal, onConnection }: ConnectionOptions,
): AsyncGenerator<Item, void, undefined> {
  let isConnected: boolean | undefined;
  let failures = 0;
  while (!signal?.aborted) {
    let connectedAt = Infinity;
    let problem: unknown;
    try {
      for await (const item of connect()) {
        connectedAt = Math.min(connectedAt, Date.now());
        if (!isConnected) onConnection?.({ status: 'connected' });
        isConnected = true;
        yield item;
        if (signal?.aborted) return;
      }
    } catch (error) {
      if (signal?.aborted) return;
      if (!isPassing(error)) throw error;
      problem = error;
    }
    failures = Date.now() - connectedAt >= HEALTHY_MS ? 0 : failures + 1;
    if (problem !== undefined && isConnected !== false) onConnection?.({ status: 'reconnecting', error: problem });
    if (problem !== undefined) isConnected = false;
    if (failures > 0) await pause(Math.max(backoffMs(failures, BACKOFF), retryAfterMs(problem)), signal);
  }
}

function retryAfterMs(error: unknown): number {
  return (error instanceof HoldfastError && error.retryAfterMs) || 0;
}
