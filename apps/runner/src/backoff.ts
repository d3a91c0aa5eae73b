import { setTimeout as delay } from 'node:timers/promises';
import { ControlPlaneUnavailable } from './control-plane.js';

/** Growing waits with full jitter, so that runners do not return in step after an outage. */
export class Backoff {
  private attempt = 0;

  constructor(
    private readonly firstMs = 100,
    private readonly maxMs = 5_000,
  ) {}

  reset(): void {
    this.attempt = 0;
  }

  /** Waits before the next try, at least as long as the api asked for. Returns early when `signal` aborts. */
  async wait(signal: AbortSignal, atLeastMs = 0): Promise<void> {
    const ceiling = Math.min(this.maxMs, this.firstMs * 2 ** this.attempt++);
    await pause(Math.max(atLeastMs, ceiling * (0.5 + Math.random() / 2)), signal);
  }
}

/** Waits `ms`, or until `signal` aborts. */
export async function pause(ms: number, signal: AbortSignal): Promise<void> {
  await delay(ms, undefined, { signal }).catch(() => undefined);
}

/** Repeats `attempt` for as long as the api is unavailable; any other error, and an abort, ends it. */
export async function untilAvailable<T>(attempt: () => Promise<T>, signal: AbortSignal): Promise<T> {
  const backoff = new Backoff();
  for (;;) {
    signal.throwIfAborted();
    try {
      return await attempt();
    } catch (error) {
      if (!(error instanceof ControlPlaneUnavailable)) throw error;
      await backoff.wait(signal, error.retryAfterMs);
    }
  }
}
