import type { SessionKey, Transaction } from '@holdfast/platform-postgres';

/** What a session goes on with. */
export interface NewestConversation {
  conversation_id: string;
  harness: string;
  native_id: string;
  /** When its main branch was saved last. */
  updated_at: Date;
}

/** The conversation that the next turn of a session goes on with: the one whose main branch was saved last. */
export async function newestConversation(
  tx: Transaction,
  { project_id, session_id }: SessionKey,
): Promise<NewestConversation | null> {
  const row = await tx.queryOne<NewestConversation>(
    `SELECT conversation_id, harness, native_id, updated_at FROM native_conversations
      WHERE project_id = $1 AND session_id = $2 ORDER BY updated_at DESC, conversation_id DESC LIMIT 1`,
    [project_id, session_id],
  );
  return row ?? null;
}

/**
 * Whether a user pushed something to what turns of the session go on with, after `since` if that is given: it was said
 * outside of turns, so no record has it.
 */
export async function hasPushed(
  tx: Transaction,
  { project_id, session_id }: SessionKey,
  since: Date | null,
): Promise<boolean> {
  const row = await tx.queryOne(
    `WITH RECURSIVE line AS (
       SELECT v.* FROM native_conversations c
         JOIN native_branches b
           ON b.project_id = c.project_id AND b.conversation_id = c.conversation_id AND b.branch_id = c.main_branch_id
         JOIN native_versions v
           ON v.project_id = b.project_id AND v.conversation_id = b.conversation_id AND v.version = b.version
        WHERE c.project_id = $1 AND c.session_id = $2
       UNION ALL
       SELECT v.* FROM line
         JOIN native_versions v
           ON v.project_id = line.project_id AND v.conversation_id = line.conversation_id
          AND v.version = line.parent_version)
     SELECT 1 FROM line
      WHERE turn_id IS NULL AND save_point <> 'convert' AND ($3::timestamptz IS NULL OR created_at > $3) LIMIT 1`,
    [project_id, session_id, since],
  );
  return row !== undefined;
}
