const WINDOW_MS = 60_000;
const MAX_DEATHS = 3;
const FIRST_PAUSE_MS = 500;

/** Counts deaths: each call gives the pause before the next start, or undefined at the third one within a minute. */
export function restartLimit() {
  let deaths = [];
  return () => {
    const now = Date.now();
    deaths = [...deaths.filter((time) => now - time < WINDOW_MS), now];
    return deaths.length < MAX_DEATHS ? FIRST_PAUSE_MS * 2 ** (deaths.length - 1) : undefined;
  };
}
