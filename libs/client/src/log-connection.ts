import { stream, type JsonBatch } from '@durable-streams/client';
import { wholeJsonFetch } from './api-fetch.js';
import { ConnectionGuard } from './connection-guard.js';
import type { SessionEvent } from './session-event.js';

/** Where a log is and how to ask for it. `fetch` throws whatever is no success. */
export interface LogSource {
  url: string;
  headers: Record<string, string>;
  fetch: typeof fetch;
}

/** The caller decides about every retry. */
const NO_RETRY = { initialDelay: 0, maxDelay: 0, multiplier: 1, maxRetries: 0 };

/** One page of a log, as it is now. */
export async function readPage(source: LogSource, offset: string, signal?: AbortSignal) {
  const { url, headers, fetch } = source;
  try {
    const page = await stream<SessionEvent>({
      url,
      headers,
      fetch: wholeJsonFetch(fetch),
      offset,
      signal,
      live: false,
      backoffOptions: NO_RETRY,
    });
    return { events: await page.json(), offset: page.offset, upToDate: page.upToDate };
  } catch (error) {
    throw signal?.aborted ? signal.reason : error;
  }
}

/**
 * The batches of one SSE connection, from `offset` on until the api or the network ends it.
 *
 * The library would reconnect by itself, but it gives up on a broken connection and repeats a batch whose control event
 * was cut off; so it is told to take the first end as the last, and the caller goes on from the offset it is sure of. A
 * batch without an offset of its own is left out.
 */
export async function* connect<Message>(
  source: LogSource,
  offset: string,
  signal?: AbortSignal,
): AsyncGenerator<JsonBatch<Message>, void, undefined> {
  const guard = new ConnectionGuard(signal);
  const batches = new Handover<JsonBatch<Message>>();
  try {
    guard.signal.throwIfAborted();
    guard.listen();
    const response = await stream<Message>({
      ...source,
      offset,
      signal: guard.signal,
      live: 'sse',
      // Without it the library's first request is a plain read.
      params: { live: 'sse' },
      json: true,
      backoffOptions: NO_RETRY,
      sseResilience: { minConnectionDuration: Infinity, maxShortConnections: 1, logWarnings: false },
    });
    response.closed.then(
      () => batches.end(),
      (error) => batches.end(error),
    );
    response.subscribeJson<Message>((batch) => batches.offer(batch));
    for (let known = offset; ;) {
      const batch = await batches.next();
      guard.heard();
      // Cut off before its control event: its offset is not known, so it is to be read again.
      if (!batch || (batch.items.length > 0 && batch.offset === known)) break;
      known = batch.offset;
      yield batch;
      guard.listen();
    }
    guard.signal.throwIfAborted();
  } catch (error) {
    throw guard.signal.aborted ? guard.signal.reason : error;
  } finally {
    guard.end();
  }
}

/** Hands values over one at a time: whoever offers waits until the value is taken. */
class Handover<T> {
  private offered: { value: T; taken: () => void } | undefined;
  private ending: { error?: unknown } | undefined;
  private wake = () => {};

  offer(value: T): Promise<void> {
    return new Promise((taken) => {
      this.offered = { value, taken };
      this.wake();
    });
  }

  end(error?: unknown): void {
    this.ending = { error };
    this.wake();
  }

  /** Undefined at the end. */
  async next(): Promise<T | undefined> {
    if (!this.offered && !this.ending) await new Promise<void>((resolve) => (this.wake = resolve));
    if (this.offered) {
      const { value, taken } = this.offered;
      this.offered = undefined;
      taken();
      return value;
    }
    if (this.ending?.error !== undefined) throw this.ending.error;
    return undefined;
  }
}
