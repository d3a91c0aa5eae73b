import { HoldfastError, isPassing } from './errors.js';
import { connect, readPage, type LogSource } from './log-connection.js';
import { backoffMs, pause } from './pause.js';
import { withOffsets, type LoggedEvent } from './session-event.js';

const BACKOFF = { first: 100, longest: 3_000 };
/** A connection that ends sooner counts as a failure, or a broken proxy would be asked again and again at once. */
const HEALTHY_MS = 1_000;

/** Told when it changes; the api's own regular ends of connections do not count. */
export type ConnectionState = { status: 'connected' } | { status: 'reconnecting'; error: unknown };

export interface FollowOptions {
  /** `-1` (start, the default), `now`, or an offset of an earlier event. */
  offset?: string;
  /** Ends the iteration. */
  signal?: AbortSignal;
  onConnection?: (state: ConnectionState) => void;
}

export interface ReadOptions {
  /** `-1` (start, the default) or an offset of an earlier event. */
  offset?: string;
  signal?: AbortSignal;
}

/** Every event from `offset` to where the log ends now. */
export async function* readLog(source: LogSource, options: ReadOptions): AsyncGenerator<LoggedEvent, void, undefined> {
  let offset = options.offset ?? '-1';
  for (;;) {
    const page = await readPage(source, offset, options.signal);
    yield* withOffsets(page.events, page.offset);
    if (page.upToDate) return;
    offset = page.offset;
  }
}

/** Every event from `offset` on, once and in order, across connections, until `signal` aborts. */
export async function* followLog<Message>(
  source: LogSource,
  { offset = '-1', signal, onConnection }: FollowOptions,
): AsyncGenerator<LoggedEvent<Message>, void, undefined> {
  let isConnected: boolean | undefined;
  let failures = 0;
  while (!signal?.aborted) {
    let connectedAt = Infinity;
    let problem: unknown;
    try {
      for await (const batch of connect<Message>(source, offset, signal)) {
        // Cut off before its control event: its offset is not known, so it is read again.
        if (batch.items.length > 0 && batch.offset === offset) break;
        connectedAt = Math.min(connectedAt, Date.now());
        if (!isConnected) onConnection?.({ status: 'connected' });
        isConnected = true;
        for (const logged of withOffsets(batch.items, batch.offset)) {
          yield logged;
          if (signal?.aborted) return;
        }
        offset = batch.offset;
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
