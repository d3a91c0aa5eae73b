import { setTimeout as delay } from 'node:timers/promises';
import type { SessionViewer, TaskTreeViewer } from '@holdfast/client';

/** Whoever goes is not held up for longer. */
const LEAVE_MS = 2_000;

/** Others see at once that nobody looks any more; where that cannot be said, they see it a while later. */
export async function leaveView({ joined, me }: SessionViewer | TaskTreeViewer): Promise<void> {
  if (!joined) return;
  const leaving = new AbortController();
  await Promise.race([me.leave(), delay(LEAVE_MS, undefined, { signal: leaving.signal })]).catch(() => undefined);
  leaving.abort();
}
