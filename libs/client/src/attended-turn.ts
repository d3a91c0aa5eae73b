import { readEvents } from './event-source.js';
import type { SessionStreamInvoke } from './generated/models/SessionStreamInvoke.js';
import { SessionStreamInvokedFromJSON, type SessionStreamInvoked } from './generated/models/SessionStreamInvoked.js';
import { HoldfastConnectionError } from './errors.js';
import type { LogSource } from './log-connection.js';

/** A turn whose caller stays on the line, as its watcher. */
export interface AttendedTurn {
  invoked: SessionStreamInvoked;
  /** Goes away; the turn runs on. */
  leave: () => void;
}

/**
 * Invokes, and holds the connection of the answer: as long as it lasts, the caller watches the turn. Its events are left
 * to the log, which gives them across connections too.
 */
export async function attendTurn(
  { url, headers, fetch }: LogSource,
  command: SessionStreamInvoke,
  key: string,
  signal?: AbortSignal,
): Promise<AttendedTurn> {
  const line = new AbortController();
  const leave = () => line.abort(signal?.reason);
  signal?.throwIfAborted();
  signal?.addEventListener('abort', leave, { once: true });
  const request = {
    method: 'POST',
    body: JSON.stringify(command),
    headers: { ...headers, 'Content-Type': 'application/json', 'Idempotency-Key': key },
  };
  const frames = readEvents(fetch, url, request, line.signal);
  const { value: first } = await frames.next();
  if (first?.event !== 'invoked') throw new HoldfastConnectionError('The answer ended before it began.');
  void drain(frames).finally(() => signal?.removeEventListener('abort', leave));
  return { invoked: SessionStreamInvokedFromJSON(JSON.parse(first.data)), leave };
}

/** However it ends, the log goes on. */
async function drain(frames: AsyncIterable<unknown>): Promise<void> {
  try {
    for await (const frame of frames) void frame;
  } catch {
    return;
  }
}
