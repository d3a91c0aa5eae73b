import type { Signals } from '@holdfast/platform-signals';

/** Rings when something may have happened. Close it when done. */
export interface Bell {
  /** Resolves when it has rung since the last call, at the latest after `milliseconds`. */
  next(milliseconds: number): Promise<void>;
  close(): Promise<void>;
}

/**
 * Listens on channels until closed. Live once it resolves: open it before reading, so that nothing falls between the
 * read and the wait. A gap in the signals and an abort of `abort` ring it too.
 */
export async function openBell(signals: Signals, channels: string[], abort: AbortSignal): Promise<Bell> {
  let rung = false;
  let wake: (() => void) | undefined;
  const ring = () => {
    rung = true;
    wake?.();
  };
  abort.addEventListener('abort', ring);
  const stopGaps = signals.onGap(ring);
  const unsubscribes = await Promise.all(channels.map((channel) => signals.subscribe(channel, ring)));
  return {
    next: async (milliseconds) => {
      if (!rung) {
        await new Promise<void>((resolve) => {
          const timer = setTimeout(resolve, milliseconds);
          wake = () => {
            clearTimeout(timer);
            resolve();
          };
        });
      }
      rung = false;
      wake = undefined;
    },
    close: async () => {
      abort.removeEventListener('abort', ring);
      stopGaps();
      await Promise.all(unsubscribes.map((unsubscribe) => unsubscribe()));
    },
  };
}
