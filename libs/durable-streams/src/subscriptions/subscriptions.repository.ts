import { Injectable } from '@nestjs/common';
import { UnitOfWork, type Transaction } from '@holdfast/platform-postgres';
import type { Subscription, SubscriptionKey } from './subscription.js';
import type { WakeChange } from './wake.rules.js';

/** What a subscription is made of. */
export type NewSubscription = Pick<
  Subscription,
  'project_id' | 'id' | 'type' | 'pattern' | 'webhook_url' | 'wake_stream' | 'lease_ttl_ms' | 'description' | 'base_url'
> & { pattern_regex: string | null; config_hash: string };

const COLUMNS = `project_id, id, number, type, pattern, webhook_url, wake_stream, lease_ttl_ms, description, base_url,
  config_hash, generation, phase, wake_id, holder, attempts, last_error, due_at, coalesce(due_at <= now(), false) AS is_due,
  created_at`;

/** The SQL of subscriptions. A change of the wake's state is made with the row locked. */
@Injectable()
export class SubscriptionsRepository {
  constructor(private readonly unitOfWork: UnitOfWork) {}

  async find({ project_id, subscription_id }: SubscriptionKey): Promise<Subscription | undefined> {
    return this.unitOfWork.queryOne<Subscription>(
      `SELECT ${COLUMNS} FROM log_subscriptions WHERE project_id = $1 AND id = $2`,
      [project_id, subscription_id],
    );
  }

  async lock(tx: Transaction, { project_id, subscription_id }: SubscriptionKey): Promise<Subscription | undefined> {
    return tx.queryOne<Subscription>(
      `SELECT ${COLUMNS} FROM log_subscriptions WHERE project_id = $1 AND id = $2 FOR NO KEY UPDATE`,
      [project_id, subscription_id],
    );
  }

  async count(tx: Transaction, project_id: string): Promise<number> {
    const row = await tx.queryOne<{ count: number }>(
      `SELECT count(*) AS count FROM log_subscriptions WHERE project_id = $1`,
      [project_id],
    );
    return row!.count;
  }

  /** Undefined when there is one of this id. */
  async insert(tx: Transaction, subscription: NewSubscription): Promise<Subscription | undefined> {
    return tx.queryOne<Subscription>(
      `INSERT INTO log_subscriptions (project_id, id, type, pattern, pattern_regex, webhook_url, wake_stream, lease_ttl_ms,
                                      description, base_url, config_hash)
       VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11)
       ON CONFLICT DO NOTHING RETURNING ${COLUMNS}`,
      [
        subscription.project_id,
        subscription.id,
        subscription.type,
        subscription.pattern,
        subscription.pattern_regex,
        subscription.webhook_url,
        subscription.wake_stream,
        subscription.lease_ttl_ms,
        subscription.description,
        subscription.base_url,
        subscription.config_hash,
      ],
    );
  }

  /** With its links. False when there is none. */
  async delete(tx: Transaction, { project_id, subscription_id }: SubscriptionKey): Promise<boolean> {
    const row = await tx.queryOne<{ number: number }>(
      `DELETE FROM log_subscriptions WHERE project_id = $1 AND id = $2 RETURNING number`,
      [project_id, subscription_id],
    );
    if (!row) return false;
    await tx.query(`DELETE FROM log_subscription_links WHERE project_id = $1 AND subscription = $2`, [
      project_id,
      row.number,
    ]);
    return true;
  }

  async save(
    tx: Transaction,
    { project_id, number }: Pick<Subscription, 'project_id' | 'number'>,
    change: WakeChange,
  ): Promise<void> {
    await tx.query(
      `UPDATE log_subscriptions
          SET generation = $3, phase = $4, wake_id = $5, holder = $6, attempts = $7, last_error = $8,
              due_at = CASE WHEN $9 THEN due_at ELSE now() + make_interval(secs => $10::float8 / 1000) END
        WHERE project_id = $1 AND number = $2`,
      [
        project_id,
        number,
        change.generation,
        change.phase,
        change.wake_id,
        change.holder,
        change.attempts,
        change.last_error,
        change.due_in_ms === undefined,
        change.due_in_ms ?? null,
      ],
    );
  }

  /**
   * Locks the one that has been due for longest, of those that nobody else is at. Leaves out `passed`, and webhooks that
   * are due to be called in `busyProjects`; with `callable` false, in all.
   */
  async lockDue(
    tx: Transaction,
    { passed, busyProjects, callable }: { passed: number[]; busyProjects: string[]; callable: boolean },
  ): Promise<Subscription | undefined> {
    return tx.queryOne<Subscription>(
      `SELECT ${COLUMNS} FROM log_subscriptions
        WHERE due_at <= now() AND number <> ALL($1::bigint[])
          AND NOT (type = 'webhook' AND phase = 'waking' AND ($3 OR project_id = ANY($2::uuid[])))
        ORDER BY due_at LIMIT 1 FOR NO KEY UPDATE SKIP LOCKED`,
      [passed, busyProjects, !callable],
    );
  }

  /** Locks those that have links to the logs and that nobody else is at, in the order of their numbers. */
  async lockOf(tx: Transaction, logs: { project_id: string; id: number }[]): Promise<Subscription[]> {
    return tx.query<Subscription>(
      `SELECT ${COLUMNS} FROM log_subscriptions
        WHERE (project_id, number) IN (
          SELECT l.project_id, l.subscription FROM log_subscription_links l
            JOIN unnest($1::uuid[], $2::bigint[]) AS log(project_id, id)
              ON l.project_id = log.project_id AND l.log_id = log.id)
        ORDER BY number FOR NO KEY UPDATE SKIP LOCKED`,
      [logs.map(({ project_id }) => project_id), logs.map(({ id }) => id)],
    );
  }
}
