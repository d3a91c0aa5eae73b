/**
 * A signal that aborts with `signal`, or after `milliseconds`. Node's own AbortSignal.timeout may be collected before its
 * time when only AbortSignal.any holds it. `end` aborts it at once; call `clear` when it is needed no more.
 */
export function deadline(milliseconds, signal) {
  const controller = new AbortController();
  const abort = () => controller.abort();
  const timer = setTimeout(abort, milliseconds);
  signal?.addEventListener('abort', abort, { once: true });
  if (signal?.aborted) abort();
  const clear = () => {
    clearTimeout(timer);
    signal?.removeEventListener('abort', abort);
  };
  return {
    signal: controller.signal,
    clear,
    end() {
      clear();
      abort();
    },
  };
}
