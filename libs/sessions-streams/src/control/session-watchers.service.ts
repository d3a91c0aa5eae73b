import { Injectable } from '@nestjs/common';
import type { SessionKey, Transaction } from '@holdfast/platform-postgres';
import { SessionLogService } from '../log/session-log.service.js';

/** Who watches a session. */
export interface Watcher {
  watcher_id: string;
  /** The turn that it watches. */
  turn_id: string;
  by_id: string;
}

/**
 * The one watcher of a session, who is there until another one attaches, it detaches, or the turn ends. Runs in the
 * caller's transaction, with the session's fence locked.
 */
@Injectable()
export class SessionWatchersService {
  constructor(private readonly log: SessionLogService) {}

  /** Makes this the watcher; the one before is displaced. */
  async attach(tx: Transaction, session: SessionKey, { watcher_id, turn_id, by_id }: Watcher): Promise<void> {
    const before = await tx.queryOne<{ watcher_id: string | null }>(
      `WITH before AS (
         SELECT watcher_id FROM session_streams WHERE project_id = $1 AND session_id = $2 FOR UPDATE)
       UPDATE session_streams SET watcher_id = $3, watcher_by_id = $4, attached_at = now()
         FROM before WHERE project_id = $1 AND session_id = $2 RETURNING before.watcher_id`,
      [session.project_id, session.session_id, watcher_id, by_id],
    );
    this.tell(tx, session, turn_id, { watcher_id, previous_watcher_id: before!.watcher_id, by_id });
  }

  /** Makes this the watcher again, where nobody watches now. */
  async rejoin(tx: Transaction, session: SessionKey, watcher: Watcher): Promise<void> {
    const unwatched = await tx.queryOne(
      `SELECT FROM session_streams WHERE project_id = $1 AND session_id = $2 AND watcher_id IS NULL FOR UPDATE`,
      [session.project_id, session.session_id],
    );
    if (unwatched) await this.attach(tx, session, watcher);
  }

  /** Takes this watcher away. One that was displaced before, or never was, changes nothing: then false. */
  async detach(tx: Transaction, session: SessionKey, watcher_id: string): Promise<boolean> {
    const left = await tx.queryOne<{ turn_id: string | null }>(
      `WITH before AS (
         SELECT current_turn_id FROM session_streams
          WHERE project_id = $1 AND session_id = $2 AND watcher_id = $3 FOR UPDATE)
       UPDATE session_streams SET watcher_id = NULL, watcher_by_id = NULL, attached_at = NULL
         FROM before WHERE project_id = $1 AND session_id = $2 RETURNING before.current_turn_id AS turn_id`,
      [session.project_id, session.session_id, watcher_id],
    );
    if (left) this.tell(tx, session, left.turn_id, { watcher_id: null, previous_watcher_id: watcher_id, by_id: null });
    return left !== undefined;
  }

  private tell(tx: Transaction, session: SessionKey, turn_id: string | null, data: object): void {
    this.log.appendWithin(tx, session, { type: 'session.watcher_changed', turn_id, data });
  }
}
