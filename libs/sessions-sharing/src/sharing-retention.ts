import { Injectable } from '@nestjs/common';
import { UnitOfWork, type Transaction } from '@holdfast/platform-postgres';

/** How long what is over can still be asked for. */
const KEPT_DAYS = 30;

/**
 * Messages that all took to whom they were sent; one whose task has ended takes none any more, so its own end counts. One
 * that somebody may still take stays, whole.
 */
const FORGET_MESSAGES = `
  WITH taken AS MATERIALIZED (
    SELECT m.project_id, m.message_id FROM task_messages m
     WHERE m.created_at < now() - make_interval(days => $1)
       AND NOT EXISTS (
         SELECT FROM task_message_recipients r
           JOIN tasks t ON t.project_id = r.project_id AND t.task_id = r.to_task_id
          WHERE r.project_id = m.project_id AND r.message_id = m.message_id
            AND COALESCE(r.delivered_at, t.ended_at, 'infinity') >= now() - make_interval(days => $1))
     ORDER BY m.created_at LIMIT $2 FOR UPDATE OF m SKIP LOCKED),
  recipients AS (
    DELETE FROM task_message_recipients r USING taken
     WHERE r.project_id = taken.project_id AND r.message_id = taken.message_id)
  DELETE FROM task_messages m USING taken
   WHERE m.project_id = taken.project_id AND m.message_id = taken.message_id RETURNING m.message_id`;

const FORGET_ROLE_REQUESTS = `
  DELETE FROM share_role_requests WHERE (project_id, request_id) IN (
    SELECT project_id, request_id FROM share_role_requests
     WHERE answered_at < now() - make_interval(days => $1) AND status <> 'pending'
     ORDER BY answered_at LIMIT $2 FOR UPDATE SKIP LOCKED)
  RETURNING request_id`;

/**
 * Shares that ended, and of which nobody is left. One that a task made of itself stays as long as that, or it would make
 * another when it is claimed again. What was made through a share has ended with it; were it not so, it would stay too,
 * because a share gives no more than those it was made through.
 */
const FORGET_SHARES = `
  DELETE FROM shares WHERE (project_id, share_id) IN (
    SELECT s.project_id, s.share_id FROM shares s
     WHERE s.ended_at < now() - make_interval(days => $1) AND s.origin = 'explicit'
       AND NOT EXISTS (SELECT FROM share_participants p WHERE p.project_id = s.project_id AND p.share_id = s.share_id)
       AND NOT EXISTS (
         SELECT FROM shares made
          WHERE made.project_id = s.project_id AND made.parent_share_id = s.share_id AND made.ended_at IS NULL)
     ORDER BY s.ended_at LIMIT $2 FOR UPDATE OF s SKIP LOCKED)
  RETURNING share_id`;

/** Forgets messages, shares and requests for roles that have been over for 30 days. Safe in any number of workers. */
@Injectable()
export class SharingRetention {
  constructor(private readonly unitOfWork: UnitOfWork) {}

  /** At most `limit` of each kind. Returns how many of that kind it were of which there were most. */
  async prune(limit: number): Promise<number> {
    const counts: number[] = [];
    for (const forget of [FORGET_MESSAGES, FORGET_ROLE_REQUESTS, FORGET_SHARES]) {
      const gone = await this.unitOfWork.run((tx: Transaction) => tx.query(forget, [KEPT_DAYS, limit]));
      counts.push(gone.length);
    }
    return Math.max(...counts);
  }
}
