import { Injectable } from '@nestjs/common';
import { UnitOfWork, type Transaction } from '@holdfast/platform-postgres';
import type { LinkedStream, Subscription } from './subscription.js';

type SubscriptionNumber = Pick<Subscription, 'project_id' | 'number'>;

/** What one wake tells of; where more is pending, the next wake does. */
const MAX_TOLD_PENDING = 1_000;
const MAX_TOLD_OTHERS = 100;

/** A log that is marked: it was appended to since its subscriptions were looked at. */
export interface DueLog {
  project_id: string;
  id: number;
  /** When it was read. */
  tail: number;
}

/** How far a stream was processed. */
export interface AckedStream {
  log_id: number;
  acked: number;
}

const LOG = `log_streams s ON s.project_id = l.project_id AND s.id = l.log_id AND s.deleted_at IS NULL
    AND (s.expires_at IS NULL OR s.expires_at > now())`;

const COLUMNS = `l.path, CASE WHEN l.explicit THEN 'explicit' ELSE 'glob' END AS link_type, s.id AS log_id, s.generation,
  s.fork_at, s.lineage_ends, s.lineage_generations, l.acked, coalesce(s.tail, l.acked) AS tail`;

/**
 * Links that have messages to be processed: those marked, and those of logs that were appended to since. Both are found
 * through an index of what is few, so it costs the same however many streams are linked. OFFSET 0 keeps PostgreSQL from
 * beginning at the other end, which it would do while it has no statistics.
 */
const PENDING = `
  SELECT l.path FROM log_subscription_links l
    JOIN log_streams s ON s.project_id = l.project_id AND s.id = l.log_id
   WHERE l.project_id = $1 AND l.subscription = $2 AND l.pending AND s.tail > l.acked
     AND s.deleted_at IS NULL AND (s.expires_at IS NULL OR s.expires_at > now())
   UNION
  SELECT l.path FROM log_streams s CROSS JOIN LATERAL (
          SELECT path, acked FROM log_subscription_links
           WHERE project_id = s.project_id AND log_id = s.id AND subscription = $2 OFFSET 0) l
   WHERE s.project_id = $1 AND s.wake_due AND s.tail > l.acked
     AND s.deleted_at IS NULL AND (s.expires_at IS NULL OR s.expires_at > now())`;

/** The SQL of a subscription's streams. */
@Injectable()
export class LinkedStreamsRepository {
  constructor(private readonly unitOfWork: UnitOfWork) {}

  /** In the order of their paths, after `after` when given. */
  async page({ project_id, number }: SubscriptionNumber, limit: number, after?: string): Promise<LinkedStream[]> {
    return this.unitOfWork.query<LinkedStream>(
      `SELECT ${COLUMNS} FROM log_subscription_links l LEFT JOIN ${LOG}
        WHERE l.project_id = $1 AND l.subscription = $2 AND ($4::text IS NULL OR l.path > $4) ORDER BY l.path LIMIT $3`,
      [project_id, number, limit, after ?? null],
    );
  }

  /**
   * For a worker: up to 1000 streams that have messages to be processed, then the others, if those are few; of more than
   * a hundred only the first.
   */
  async snapshot(tx: Transaction, { project_id, number }: SubscriptionNumber): Promise<LinkedStream[]> {
    return tx.query<LinkedStream>(
      `WITH listed AS (
         (${PENDING} LIMIT ${MAX_TOLD_PENDING})
          UNION
         (SELECT path FROM log_subscription_links WHERE project_id = $1 AND subscription = $2
           ORDER BY path LIMIT ${MAX_TOLD_OTHERS})
       )
       SELECT ${COLUMNS} FROM listed CROSS JOIN LATERAL (
           SELECT * FROM log_subscription_links
            WHERE project_id = $1 AND subscription = $2 AND path = listed.path OFFSET 0) l
         LEFT JOIN ${LOG}
        ORDER BY coalesce(s.tail > l.acked, false) DESC, l.path`,
      [project_id, number],
    );
  }

  /** One stream with messages to be processed, if there is any. */
  async somePending(tx: Transaction, { project_id, number }: SubscriptionNumber): Promise<string | undefined> {
    const row = await tx.queryOne<{ path: string }>(`${PENDING} LIMIT 1`, [project_id, number]);
    return row?.path;
  }

  async named(tx: Transaction, { project_id, number }: SubscriptionNumber, paths: string[]): Promise<LinkedStream[]> {
    return tx.query<LinkedStream>(
      `SELECT ${COLUMNS} FROM log_subscription_links l LEFT JOIN ${LOG}
        WHERE l.project_id = $1 AND l.subscription = $2 AND l.path = ANY($3::text[])`,
      [project_id, number, paths],
    );
  }

  /** Moves streams forward, never back. A log that is gone has no link, whatever stands at its path by now. */
  async advance(tx: Transaction, { project_id, number }: SubscriptionNumber, streams: AckedStream[]): Promise<void> {
    await tx.query(
      `UPDATE log_subscription_links l
          SET acked = greatest(l.acked, a.acked), pending = s.tail > greatest(l.acked, a.acked)
         FROM unnest($3::bigint[], $4::bigint[]) AS a(log_id, acked)
         JOIN log_streams s ON s.project_id = $1 AND s.id = a.log_id
        WHERE l.project_id = $1 AND l.subscription = $2 AND l.log_id = a.log_id`,
      [project_id, number, streams.map(({ log_id }) => log_id), streams.map(({ acked }) => acked)],
    );
  }

  /** Marked logs, in the order of their ids. */
  async dueLogs(limit: number, after?: DueLog): Promise<DueLog[]> {
    return this.unitOfWork.query<DueLog>(
      `SELECT project_id, id, tail FROM log_streams
        WHERE wake_due AND ($2::uuid IS NULL OR (project_id, id) > ($2, $3::bigint)) ORDER BY project_id, id LIMIT $1`,
      [limit, after?.project_id ?? null, after?.id ?? null],
    );
  }

  /** Marks the links between logs and locked subscriptions where there is something to be processed. */
  async markPending(tx: Transaction, logs: DueLog[], subscriptions: SubscriptionNumber[]): Promise<void> {
    await tx.query(
      `UPDATE log_subscription_links l SET pending = true
         FROM unnest($1::uuid[], $2::bigint[]) AS due(project_id, id)
         JOIN log_streams s ON s.project_id = due.project_id AND s.id = due.id
        WHERE l.project_id = s.project_id AND l.log_id = s.id AND l.subscription = ANY($3::bigint[])
          AND NOT l.pending AND s.tail > l.acked`,
      [...columnsOf(logs).slice(0, 2), subscriptions.map(({ number }) => number)],
    );
  }

  /** Those of the logs that have no links but to these subscriptions, and whether they have any. */
  async linkedOnlyTo(
    tx: Transaction,
    logs: DueLog[],
    subscriptions: SubscriptionNumber[],
  ): Promise<(DueLog & { linked: boolean })[]> {
    return tx.query<DueLog & { linked: boolean }>(
      `SELECT due.*, EXISTS (SELECT FROM log_subscription_links l
                              WHERE l.project_id = due.project_id AND l.log_id = due.id) AS linked
         FROM unnest($1::uuid[], $2::bigint[], $3::bigint[]) AS due(project_id, id, tail)
        WHERE NOT EXISTS (SELECT FROM log_subscription_links l
                           WHERE l.project_id = due.project_id AND l.log_id = due.id
                             AND l.subscription <> ALL($4::bigint[]))`,
      [...columnsOf(logs), subscriptions.map(({ number }) => number)],
    );
  }

  /** Takes the marks away of logs that nobody has appended to since they were read, and that nobody is at. */
  async clearDue(logs: DueLog[]): Promise<void> {
    await this.unitOfWork.query(
      `WITH unmoved AS (${LOCK_UNMOVED})
       UPDATE log_streams s SET wake_due = false FROM unmoved
        WHERE s.project_id = unmoved.project_id AND s.id = unmoved.id`,
      columnsOf(logs),
    );
  }

  /** The same, for logs without links: from now on they are not marked. */
  async unsubscribe(tx: Transaction, logs: DueLog[]): Promise<void> {
    const [projects, ids] = columnsOf(await tx.query<DueLog>(LOCK_UNMOVED, columnsOf(logs)));
    // A statement of its own: it must see what was linked before the logs were locked.
    await tx.query(
      `UPDATE log_streams s SET wake_due = false, subscribed = EXISTS (
                SELECT FROM log_subscription_links l WHERE l.project_id = s.project_id AND l.log_id = s.id)
         FROM unnest($1::uuid[], $2::bigint[]) AS unmoved(project_id, id)
        WHERE s.project_id = unmoved.project_id AND s.id = unmoved.id`,
      [projects, ids],
    );
  }
}

/** Of logs that were appended to meanwhile, or are being appended to, the marks stay. */
const LOCK_UNMOVED = `
  SELECT s.project_id, s.id, s.tail FROM log_streams s
    JOIN unnest($1::uuid[], $2::bigint[], $3::bigint[]) AS due(project_id, id, tail)
      ON s.project_id = due.project_id AND s.id = due.id
   WHERE s.wake_due AND s.tail = due.tail ORDER BY s.id FOR NO KEY UPDATE OF s SKIP LOCKED`;

const columnsOf = (logs: DueLog[]): [projects: string[], ids: number[], tails: number[]] => [
  logs.map(({ project_id }) => project_id),
  logs.map(({ id }) => id),
  logs.map(({ tail }) => tail),
];
