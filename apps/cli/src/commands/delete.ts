import type { Desk } from '../terminal/session-screen.js';
import { UsageError } from '../usage-error.js';

export interface DeleteOptions {
  yes?: boolean;
}

/** Deletes a session with all that was ever kept of it. */
export async function deleteSession(
  { client, terminal }: Desk,
  session_id: string,
  { yes }: DeleteOptions,
): Promise<void> {
  if (!yes) throw new UsageError('Nothing brings a deleted session back. Say --yes, or archive it instead.');
  await client.sessions.deleteSession({ session_id });
  terminal.write(`session ${session_id} is deleted\n`);
}
