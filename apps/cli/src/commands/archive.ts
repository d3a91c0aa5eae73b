import type { Desk } from '../terminal/session-screen.js';

export interface ArchiveOptions {
  undo?: boolean;
}

/** Puts a session away, with what it runs ended, or brings it back. */
export async function archive(
  { client, terminal }: Desk,
  session_id: string,
  { undo = false }: ArchiveOptions,
): Promise<void> {
  if (undo) await client.sessions.unarchiveSession({ session_id });
  else await client.sessions.archiveSession({ session_id });
  terminal.write(`session ${session_id} is ${undo ? 'in use again' : 'archived'}\n`);
}
