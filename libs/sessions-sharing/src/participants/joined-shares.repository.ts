import { Injectable } from '@nestjs/common';
import type { ShareEndReason, ShareRole, ShareScope } from '@holdfast/platform-auth';
import type { SessionKey, Transaction } from '@holdfast/platform-postgres';
import type { SharedSource, SourceTask } from './source-type.rules.js';

/** A share as whoever joins through it needs it. */
export interface JoinedShare extends SharedSource {
  share_id: string;
  session_id: string | null;
  task_id: string | null;
  scope: ShareScope;
  role: ShareRole;
  expires_at: Date | null;
  /** Why it is no more, if it is not. */
  end_reason: ShareEndReason | null;
}

const COLUMNS = `share_id, session_id, task_id, scope, role, expires_at, source_type, ambient_task_id, source_task_id,
  CASE WHEN ended_at IS NULL AND expires_at <= now() THEN 'expired' ELSE end_reason END AS end_reason`;

/** What joining reads of shares and tasks. */
@Injectable()
export class JoinedSharesRepository {
  /** Kept as it is until the commit: it ends either before somebody joins, or after. */
  hold(tx: Transaction, project_id: string, share_id: string): Promise<JoinedShare | undefined> {
    return tx.queryOne<JoinedShare>(`SELECT ${COLUMNS} FROM shares WHERE project_id = $1 AND share_id = $2 FOR SHARE`, [
      project_id,
      share_id,
    ]);
  }

  /** By which a participant came; its host and scope never change. */
  ofParticipant(
    queries: Pick<Transaction, 'queryOne'>,
    project_id: string,
    participant_id: string,
  ): Promise<JoinedShare | undefined> {
    return queries.queryOne<JoinedShare>(
      `SELECT ${COLUMNS} FROM shares
        WHERE project_id = $1
          AND share_id = (SELECT share_id FROM share_participants WHERE project_id = $1 AND participant_id = $2)`,
      [project_id, participant_id],
    );
  }

  /** The first share that has this session for its host and lives: where the session comes from. */
  firstOf(
    tx: Transaction,
    { project_id, session_id }: SessionKey,
    task_id: string | null,
  ): Promise<JoinedShare | undefined> {
    return tx.queryOne<JoinedShare>(
      `SELECT ${COLUMNS} FROM shares
        WHERE project_id = $1 AND (session_id = $2 OR task_id = $3) AND ended_at IS NULL
          AND (expires_at IS NULL OR expires_at > now())
        ORDER BY created_at, share_id LIMIT 1`,
      [project_id, session_id, task_id],
    );
  }

  /** The task that works in the session. */
  taskOf(tx: Transaction, { project_id, session_id }: SessionKey): Promise<SourceTask | undefined> {
    return tx.queryOne<SourceTask>(`SELECT task_id, location FROM tasks WHERE project_id = $1 AND session_id = $2`, [
      project_id,
      session_id,
    ]);
  }
}
