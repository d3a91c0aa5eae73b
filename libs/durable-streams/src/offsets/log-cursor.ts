const EPOCH = Date.UTC(2024, 9, 9);
const INTERVAL_MS = 20_000;
const MAX_JITTER_INTERVALS = 180;

/**
 * The cursor of a live response (Durable Streams, "Caching"): it keeps shared caches from answering a poll with the
 * response to an older one. It grows with time, and beyond what the client sent.
 */
export function nextCursor(sent: string | undefined, now = Date.now(), random = Math.random): string {
  const current = Math.floor((now - EPOCH) / INTERVAL_MS);
  const previous = sent !== undefined && /^\d{1,15}$/.test(sent) ? Number(sent) : -1;
  if (previous < current) return String(current);
  return String(previous + 1 + Math.floor(random() * MAX_JITTER_INTERVALS));
}
