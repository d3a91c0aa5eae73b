import { setTimeout as sleep } from 'node:timers/promises';

const FIRST_PAUSE_MS = 5;
const LONGEST_PAUSE_MS = 100;

/** Repeats `check` until it no longer throws and gives its result. After `timeout` ms (10 s by default) its last error is thrown. */
export async function eventually<T>(check: () => T | Promise<T>, { timeout = 10_000 } = {}): Promise<T> {
  const deadline = Date.now() + timeout;
  for (let pause = FIRST_PAUSE_MS; ; pause = Math.min(pause * 2, LONGEST_PAUSE_MS)) {
    try {
      return await check();
    } catch (error) {
      if (Date.now() + pause > deadline) throw error;
    }
    await sleep(pause);
  }
}
