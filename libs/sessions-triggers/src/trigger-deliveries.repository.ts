import { Injectable } from '@nestjs/common';
import { bindTo, UnitOfWork, type SessionKey, type Transaction, type SessionFilter } from '@holdfast/platform-postgres';
import type { TriggerDeliveryQuery } from './dto/trigger-delivery-query.dto.js';
import type { TriggerDeliveryStatus, TriggerSource } from './trigger-delivery.rules.js';

/** A row of trigger_deliveries. */
export interface TriggerDeliveryRow {
  project_id: string;
  delivery_id: string;
  source: TriggerSource;
  session_id: string;
  turn_id: string;
  status: TriggerDeliveryStatus;
  error: { code: string; message: string } | null;
  created_at: Date;
  created_by_id: string;
  dispatched_at: Date | null;
  closed_at: Date | null;
}

/** The SQL of deliveries. */
@Injectable()
export class TriggerDeliveriesRepository {
  constructor(private readonly unitOfWork: UnitOfWork) {}

  /**
   * Makes the delivery of a turn or brings it up to date, in one statement. What is closed stays as it is, and what was
   * dispatched is not pending again, so that a look which comes late takes nothing back.
   */
  async save(tx: Transaction, delivery: TriggerDeliveryRow): Promise<void> {
    await tx.query(
      `INSERT INTO trigger_deliveries AS d (project_id, delivery_id, source, session_id, turn_id, status, error,
                                            created_at, created_by_id, dispatched_at, closed_at)
       VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, CASE $6 WHEN 'dispatched' THEN coalesce($10, now()) ELSE $10 END, $11)
       ON CONFLICT (project_id, turn_id) DO UPDATE
          SET status = CASE excluded.status WHEN 'pending' THEN d.status ELSE excluded.status END,
              error = excluded.error, dispatched_at = coalesce(d.dispatched_at, excluded.dispatched_at),
              closed_at = excluded.closed_at
        WHERE d.closed_at IS NULL`,
      [
        delivery.project_id,
        delivery.delivery_id,
        delivery.source,
        delivery.session_id,
        delivery.turn_id,
        delivery.status,
        delivery.error && JSON.stringify(delivery.error),
        delivery.created_at,
        delivery.created_by_id,
        delivery.dispatched_at,
        delivery.closed_at,
      ],
    );
  }

  async deleteSession(tx: Transaction, { project_id, session_id }: SessionKey): Promise<void> {
    await tx.query(`DELETE FROM trigger_deliveries WHERE project_id = $1 AND session_id = $2`, [
      project_id,
      session_id,
    ]);
  }

  /** Deletes up to `limit` that were closed more than `days` ago; returns how many. */
  async prune(tx: Transaction, days: number, limit: number): Promise<number> {
    const rows = await tx.query(
      `DELETE FROM trigger_deliveries d USING (
         SELECT project_id, delivery_id FROM trigger_deliveries
          WHERE closed_at < now() - make_interval(days => $1) ORDER BY closed_at LIMIT $2 FOR UPDATE SKIP LOCKED) old
        WHERE d.project_id = old.project_id AND d.delivery_id = old.delivery_id RETURNING d.delivery_id`,
      [days, limit],
    );
    return rows.length;
  }

  find(project_id: string, delivery_id: string): Promise<TriggerDeliveryRow | undefined> {
    return this.unitOfWork.queryOne<TriggerDeliveryRow>(
      `SELECT * FROM trigger_deliveries WHERE project_id = $1 AND delivery_id = $2`,
      [project_id, delivery_id],
    );
  }

  /** Newest first; those before `beforeId` when given. */
  list(
    project_id: string,
    { session_id, turn_id, status }: Pick<TriggerDeliveryQuery, 'session_id' | 'turn_id' | 'status'>,
    beforeId: string | undefined,
    limit: number,
    isSeen: SessionFilter = () => 'true',
  ): Promise<TriggerDeliveryRow[]> {
    const values: unknown[] = [
      project_id,
      session_id ?? null,
      turn_id ?? null,
      status ?? null,
      beforeId ?? null,
      limit,
    ];
    return this.unitOfWork.query<TriggerDeliveryRow>(
      `SELECT * FROM trigger_deliveries
        WHERE project_id = $1 AND ($2::text IS NULL OR session_id = $2) AND ($3::uuid IS NULL OR turn_id = $3)
          AND ($4::text IS NULL OR status = $4) AND ($5::uuid IS NULL OR delivery_id < $5)
          AND ${isSeen('trigger_deliveries.session_id', bindTo(values))}
        ORDER BY delivery_id DESC LIMIT $6`,
      values,
    );
  }
}
