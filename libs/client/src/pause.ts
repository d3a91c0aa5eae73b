/** Waits, or less long when `signal` aborts. */
export function pause(ms: number, signal?: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    if (signal?.aborted) return resolve();
    const timer = setTimeout(done, ms);
    signal?.addEventListener('abort', done, { once: true });
    function done() {
      clearTimeout(timer);
      signal?.removeEventListener('abort', done);
      resolve();
    }
  });
}

/** How long to wait before try number `failures + 1`: twice as long each time, and never two clients in step. */
export function backoffMs(failures: number, limits: { first: number; longest: number }): number {
  return Math.min(limits.longest, limits.first * 2 ** (failures - 1)) * (0.5 + Math.random() / 2);
}
