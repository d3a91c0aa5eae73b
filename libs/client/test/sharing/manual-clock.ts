import type { Clock } from '../../src/sharing/clock.js';

interface Waiting {
  at: number;
  done: () => void;
}

/** Stands still until it is told to go on. Chance is always in the middle. */
export class ManualClock implements Clock {
  private time = 0;
  private waiting: Waiting[] = [];

  now(): number {
    return this.time;
  }

  random(): number {
    return 0.5;
  }

  wait(ms: number, signal?: AbortSignal): Promise<void> {
    return new Promise((resolve) => {
      if (signal?.aborted) return resolve();
      const done = () => {
        signal?.removeEventListener('abort', done);
        this.waiting = this.waiting.filter((one) => one !== waiting);
        resolve();
      };
      const waiting = { at: this.time + ms, done };
      this.waiting.push(waiting);
      signal?.addEventListener('abort', done);
    });
  }

  /** How long the waits that have begun still last, in milliseconds. */
  pending(): number[] {
    return this.waiting.map(({ at }) => at - this.time).sort((one, other) => one - other);
  }

  async advance(ms: number): Promise<void> {
    this.time += ms;
    const due = this.waiting.filter(({ at }) => at <= this.time).sort((one, other) => one.at - other.at);
    for (const { done } of due) done();
    await settled();
  }
}

/** Lets everything happen that waits for nothing but its turn. */
export async function settled(): Promise<void> {
  for (let turn = 0; turn < 50; turn++) await new Promise(setImmediate);
}
