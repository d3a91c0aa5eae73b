import { pause } from '../pause.js';

/** Time and chance, so that tests need not wait for either. */
export interface Clock {
  /** Milliseconds, of any origin. */
  now(): number;
  /** Resolves after `ms`, or when `signal` aborts. */
  wait(ms: number, signal?: AbortSignal): Promise<void>;
  /** From 0 to less than 1. */
  random(): number;
}

export const systemClock: Clock = { now: () => Date.now(), wait: pause, random: () => Math.random() };

const FIRST_MS = 1_000;
const FACTOR = 1.2;
const JITTER = 0.2;
const LONGEST_MS = 30_000;

/** How long to wait before the next try when `failures` (from 1) in a row have failed. */
export function retryDelayMs(failures: number, { random }: Pick<Clock, 'random'>): number {
  const delay = Math.min(LONGEST_MS, FIRST_MS * FACTOR ** (failures - 1));
  return delay * (1 - JITTER + 2 * JITTER * random());
}
