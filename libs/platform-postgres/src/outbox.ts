import { Injectable } from '@nestjs/common';
import { v7 as uuidv7 } from 'uuid';
import type { Transaction } from './transaction.js';
import { UnitOfWork } from './unit-of-work.js';

/** A fact on its way to a job handler, committed with its cause. */
export interface OutboxMessage {
  project_id: string;
  id: string;
  queue: string;
  job: string;
  payload: object;
  /** W3C `traceparent` of the request that caused it. */
  traceparent: string | null;
  attempt: number;
}

/** Where a fact goes: the queue and the job's name in that queue. */
export interface OutboxAddress {
  queue: string;
  name: string;
}

/** Told, after a commit, that there are rows to relay. A hint only: the relay looks at intervals anyway. */
export abstract class OutboxBell {
  abstract ring(): void;
}

/**
 * Rows that a relay hands to the job queue (law 5). A row is done when its handler says so in its own transaction;
 * one that is not done past `retry_at` is handed over again as a new attempt. Nothing depends on the queue's memory.
 */
@Injectable()
export class Outbox {
  constructor(
    private readonly unitOfWork: UnitOfWork,
    private readonly bell: OutboxBell,
  ) {}

  /** Leaves a job in the transaction that causes it. */
  async enqueue(
    tx: Transaction,
    to: OutboxAddress,
    project_id: string,
    payload: object,
    traceparent: string | null = null,
  ): Promise<string> {
    const id = uuidv7();
    await tx.query(
      `INSERT INTO outbox (project_id, id, queue, job, payload, traceparent) VALUES ($1, $2, $3, $4, $5, $6)`,
      [project_id, id, to.queue, to.name, JSON.stringify(payload), traceparent],
    );
    tx.afterCommit(() => this.bell.ring());
    return id;
  }

  /**
   * Takes rows that are due. Each is due again after 10 s, doubling up to 5 min, unless it is done by then.
   * Safe with any number of relays.
   */
  take(limit: number): Promise<OutboxMessage[]> {
    return this.unitOfWork.run((tx) =>
      tx.query<OutboxMessage>(
        `UPDATE outbox o
            SET attempt = o.attempt + 1,
                retry_at = now() + least(interval '10 seconds' * power(2, least(o.attempt, 10)), interval '5 minutes')
           FROM (SELECT project_id, id FROM outbox
                  WHERE done_at IS NULL AND retry_at <= now()
                  ORDER BY retry_at LIMIT $1 FOR UPDATE SKIP LOCKED) due
          WHERE o.project_id = due.project_id AND o.id = due.id
      RETURNING o.project_id, o.id, o.queue, o.job, o.payload, o.traceparent, o.attempt`,
        [limit],
      ),
    );
  }

  /** Marks a row as done in the transaction that did it. False when it was done before: then do nothing. */
  async finish(tx: Transaction, project_id: string, id: string): Promise<boolean> {
    const rows = await tx.query(
      `UPDATE outbox SET done_at = now() WHERE project_id = $1 AND id = $2 AND done_at IS NULL RETURNING id`,
      [project_id, id],
    );
    return rows.length > 0;
  }

  /** Rows that are not done, and the age of the oldest in seconds. */
  async backlog(): Promise<{ waiting: number; oldest_seconds: number }> {
    const row = await this.unitOfWork.queryOne<{ waiting: number; oldest_seconds: number }>(
      `SELECT count(*)::int AS waiting, coalesce(extract(epoch FROM now() - min(created_at)), 0)::float8 AS oldest_seconds
         FROM outbox WHERE done_at IS NULL`,
    );
    return row ?? { waiting: 0, oldest_seconds: 0 };
  }

  /** Deletes up to `limit` rows that were done more than a day ago; returns how many. */
  async prune(limit: number): Promise<number> {
    const rows = await this.unitOfWork.run((tx) =>
      tx.query(
        `DELETE FROM outbox o USING (
           SELECT project_id, id FROM outbox WHERE done_at < now() - interval '1 day' LIMIT $1 FOR UPDATE SKIP LOCKED) old
         WHERE o.project_id = old.project_id AND o.id = old.id RETURNING o.id`,
        [limit],
      ),
    );
    return rows.length;
  }
}
