import { Injectable } from '@nestjs/common';
import type { SessionKey, Transaction } from '@holdfast/platform-postgres';

/** Forgets who shared, joined and asked in a session that is deleted. */
@Injectable()
export class SessionSharingRemoval {
  /**
   * Whoever holds one of its links is told why that opens nothing; no list has its shares for another session of that id.
   * Who looks at it through a share of another session looks at none, and keeps that. Call once its shares have ended.
   */
  async deleteSession(tx: Transaction, { project_id, session_id }: SessionKey): Promise<void> {
    const key = [project_id, session_id];
    await tx.query(
      `UPDATE shares SET end_reason = 'deleted', name = NULL
        WHERE project_id = $1 AND session_id = $2 AND ended_at IS NOT NULL`,
      key,
    );
    await tx.query(
      `UPDATE share_participants SET session_id = NULL, selection = NULL WHERE project_id = $1 AND session_id = $2`,
      key,
    );
    await tx.query(`DELETE FROM session_visits WHERE project_id = $1 AND session_id = $2`, key);
    await tx.query(`DELETE FROM share_role_requests WHERE project_id = $1 AND session_id = $2`, key);
  }
}
