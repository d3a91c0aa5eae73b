import { setTimeout as delay } from 'node:timers/promises';
import { HoldfastError } from '@holdfast/client';

/** With these waits about a quarter of a minute in all: longer than an api takes to be replaced. */
const MAX_RETRIES = 8;
const BACKOFF_MS = { first: 100, longest: 5_000 };
/** A connection may hang without breaking. */
const TIMEOUT_MS = 10_000;

export type Call<T> = (init: { signal: AbortSignal }) => Promise<T>;

/**
 * Makes a call that may be repeated until it is answered. Throws what the api refuses, and anything once it has failed
 * too often or `signal` aborts.
 */
export async function retried<T>(call: Call<T>, signal: AbortSignal): Promise<T> {
  for (let retries = 0; ; retries += 1) {
    try {
      return await call({ signal: AbortSignal.any([signal, AbortSignal.timeout(TIMEOUT_MS)]) });
    } catch (error) {
      if (signal.aborted || isRefusal(error) || retries === MAX_RETRIES) throw error;
      const backoffMs = Math.min(BACKOFF_MS.longest, BACKOFF_MS.first * 2 ** retries) * (0.5 + Math.random() / 2);
      await delay(Math.max(backoffMs, retryAfterMs(error)), undefined, { signal });
    }
  }
}

/** The api would answer the same again. */
function isRefusal(error: unknown): boolean {
  return error instanceof HoldfastError && error.status < 500 && ![408, 429].includes(error.status);
}

function retryAfterMs(error: unknown): number {
  return (error instanceof HoldfastError && error.retryAfterMs) || 0;
}
