const SIGNALS = ['SIGINT', 'SIGTERM', 'SIGHUP'] as const;

/** Aborts at the first signal that would end this process; the next one ends it at once. */
export function onInterrupt(): { signal: AbortSignal; stop: () => void } {
  const interrupted = new AbortController();
  const hear = () => {
    if (interrupted.signal.aborted) process.exit(130);
    interrupted.abort();
  };
  for (const name of SIGNALS) process.on(name, hear);
  return {
    signal: interrupted.signal,
    stop: () => SIGNALS.forEach((name) => process.off(name, hear)),
  };
}
