import { Injectable } from '@nestjs/common';
import type { SessionKey, Transaction } from '@holdfast/platform-postgres';

/** The SQL of removing conversations. */
@Injectable()
export class NativeRemovalRepository {
  /** Forgets what is under way, so that nobody goes on with it. */
  async deleteSaves(tx: Transaction, { project_id, session_id }: SessionKey): Promise<void> {
    const saves = await tx.query<{ save_id: string }>(
      `DELETE FROM native_saves WHERE project_id = $1 AND session_id = $2 RETURNING save_id`,
      [project_id, session_id],
    );
    await tx.query(`DELETE FROM native_save_parts WHERE project_id = $1 AND save_id = ANY($2)`, [
      project_id,
      saves.map(({ save_id }) => save_id),
    ]);
  }

  /** Takes the conversations of a session from everybody's sight; what they are made of is still there. */
  async deleteConversations(tx: Transaction, { project_id, session_id }: SessionKey): Promise<string[]> {
    const rows = await tx.query<{ conversation_id: string }>(
      `DELETE FROM native_conversations WHERE project_id = $1 AND session_id = $2 RETURNING conversation_id`,
      [project_id, session_id],
    );
    return rows.map(({ conversation_id }) => conversation_id);
  }

  /** Removes chunks of a conversation that is gone, and lets go of the blobs that were theirs alone. Returns how many. */
  async deleteChunks(tx: Transaction, project_id: string, conversation_id: string, limit: number): Promise<number> {
    const rows = await tx.query<{ sha256: string }>(
      `DELETE FROM native_chunks WHERE ctid = ANY(ARRAY(
         SELECT ctid FROM native_chunks WHERE project_id = $1 AND conversation_id = $2 LIMIT $3 FOR UPDATE))
       RETURNING sha256`,
      [project_id, conversation_id, limit],
    );
    const blobs = [project_id, rows.map(({ sha256 }) => sha256)];
    // Of many who let go of the same blob, each looks after the one before it has committed: the last one finds it loose.
    await tx.query(
      `SELECT FROM native_blobs WHERE project_id = $1 AND sha256 = ANY($2) ORDER BY sha256 FOR UPDATE`,
      blobs,
    );
    await tx.query(
      `UPDATE native_blobs blob SET is_kept = false, touched_at = now()
        WHERE project_id = $1 AND sha256 = ANY($2) AND is_kept
          AND NOT EXISTS (SELECT FROM native_chunks chunk
                           WHERE chunk.project_id = blob.project_id AND chunk.sha256 = blob.sha256)`,
      blobs,
    );
    return rows.length;
  }

  /** Removes versions and branches of a conversation that is gone. Returns how many. */
  async deleteVersions(tx: Transaction, project_id: string, conversation_id: string, limit: number): Promise<number> {
    const key = [project_id, conversation_id, limit];
    const removed = await tx.queryOne<{ count: number }>(
      `WITH versions AS (
         DELETE FROM native_versions WHERE ctid = ANY(ARRAY(
           SELECT ctid FROM native_versions WHERE project_id = $1 AND conversation_id = $2 LIMIT $3 FOR UPDATE))
         RETURNING 1),
       branches AS (
         DELETE FROM native_branches WHERE ctid = ANY(ARRAY(
           SELECT ctid FROM native_branches WHERE project_id = $1 AND conversation_id = $2 LIMIT $3 FOR UPDATE))
         RETURNING 1)
       SELECT (SELECT count(*) FROM versions) + (SELECT count(*) FROM branches) AS count`,
      key,
    );
    return removed!.count;
  }
}
