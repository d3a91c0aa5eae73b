import { stream, type JsonBatch } from '@durable-streams/client';
import { wholeJsonFetch } from './api-fetch.js';
import { HoldfastConnectionError } from './errors.js';
import type { SessionEvent } from './session-event.js';

/** Where a log is and how to ask for it. `fetch` throws whatever is no success. */
export interface LogSource {
  url: string;
  headers: Record<string, string>;
  fetch: typeof fetch;
}

/** The api ends each connection after about a minute, so a longer silence means that nobody is there any more. */
const SILENCE_MS = 75_000;

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
 * was cut off; so it is told to take the first end as the last, and the caller goes on from the offset it is sure of.
 */
export async function* connect<Message>(
  source: LogSource,
  offset: string,
  signal?: AbortSignal,
): AsyncGenerator<JsonBatch<Message>, void, undefined> {
  const connection = new AbortController();
  const abort = () => connection.abort(signal?.reason);
  signal?.addEventListener('abort', abort, { once: true });
  const batches = new Handover<JsonBatch<Message>>();
  let silence: ReturnType<typeof setTimeout> | undefined;
  const expectSoon = () => (silence = setTimeout(() => connection.abort(silent()), SILENCE_MS));
  try {
    signal?.throwIfAborted();
    expectSoon();
    const response = await stream<Message>({
      ...source,
      offset,
      signal: connection.signal,
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
    for (;;) {
      const batch = await batches.next();
      clearTimeout(silence);
      if (!batch) break;
      yield batch;
      expectSoon();
    }
    connection.signal.throwIfAborted();
  } catch (error) {
    throw connection.signal.aborted ? connection.signal.reason : error;
  } finally {
    clearTimeout(silence);
    signal?.removeEventListener('abort', abort);
    connection.abort();
  }
}

const silent = () => new HoldfastConnectionError(`The connection was silent for ${SILENCE_MS / 1000} s.`);

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
