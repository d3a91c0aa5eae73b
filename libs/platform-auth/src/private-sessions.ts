import { Injectable } from '@nestjs/common';
import type { SessionKey, Transaction } from '@holdfast/platform-postgres';

/** Sessions that only the key which made them sees: those of agents on a user's own machine. */
@Injectable()
export class PrivateSessions {
  /** In the transaction that makes the session. Again changes nothing. */
  async add(tx: Transaction, { project_id, session_id }: SessionKey, owner_id: string): Promise<void> {
    await tx.query(
      `INSERT INTO private_sessions (project_id, session_id, owner_id) VALUES ($1, $2, $3) ON CONFLICT DO NOTHING`,
      [project_id, session_id, owner_id],
    );
  }

  /** The one key that sees a session; undefined for one that the project sees. */
  async ownerOf(tx: Transaction, { project_id, session_id }: SessionKey): Promise<string | undefined> {
    const row = await tx.queryOne<{ owner_id: string }>(
      `SELECT owner_id FROM private_sessions WHERE project_id = $1 AND session_id = $2`,
      [project_id, session_id],
    );
    return row?.owner_id;
  }

  /** With the session itself, so that its name is free for anybody. */
  async remove(tx: Transaction, { project_id, session_id }: SessionKey): Promise<void> {
    await tx.query(`DELETE FROM private_sessions WHERE project_id = $1 AND session_id = $2`, [project_id, session_id]);
  }
}

/** SQL that is true of sessions which are not private to another key. `project` and `owner` are SQL. */
export const notPrivateToOthers = (project: string, session: string, owner: string) =>
  `NOT EXISTS (SELECT FROM private_sessions private
     WHERE private.project_id = ${project} AND private.session_id = ${session} AND private.owner_id IS DISTINCT FROM ${owner})`;
