import { HoldfastConnectionError, HoldfastError } from './errors.js';
import { backoffMs, pause } from './pause.js';

const TRIES = 6;
const BACKOFF = { first: 200, longest: 2_000 };

export interface CommandOptions {
  /** Names the command, so that sending it twice does it once. Without one, each call gets its own. */
  idempotencyKey?: string;
  signal?: AbortSignal;
}

/** Sends a command until it is answered, at most six times within about five seconds, under one Idempotency-Key. */
export async function retryCommand<T>(options: CommandOptions, send: (key: string) => Promise<T>): Promise<T> {
  const key = options.idempotencyKey ?? randomKey();
  for (let tries = 1; ; tries++) {
    try {
      return await send(key);
    } catch (error) {
      if (tries === TRIES || !mayHaveMissed(error)) throw error;
      await pause(backoffMs(tries, BACKOFF), options.signal);
      options.signal?.throwIfAborted();
    }
  }
}

/** Not known to have been done, or known not to: in both cases the key makes a second sending safe. */
function mayHaveMissed(error: unknown): boolean {
  // Known to have ended, and answered alike however often it is asked.
  if (error instanceof HoldfastError && error.code === 'not_started') return false;
  if (error instanceof HoldfastError) return error.status === 502 || error.status === 503;
  return error instanceof HoldfastConnectionError;
}

/** crypto.randomUUID would be shorter, but browsers have it on https pages only. */
function randomKey(): string {
  const bytes = crypto.getRandomValues(new Uint8Array(16));
  return Array.from(bytes, (byte) => byte.toString(16).padStart(2, '0')).join('');
}
