import { Injectable } from '@nestjs/common';
import type { Transaction } from '@holdfast/platform-postgres';
import type { LogHead, LogKey } from '../log-head.js';
import { LogRepository } from '../log.repository.js';
import type { NewLog } from './log-create.rules.js';

/** The SQL of making and removing logs. */
@Injectable()
export class LogLifecycleRepository {
  constructor(private readonly logs: LogRepository) {}

  /** The new log's id; undefined when there is one at the path. `projected`: a transcript is made of it; `unlisted`: patterns never match it. */
  async insert(
    tx: Transaction,
    { project_id, path }: LogKey,
    log: NewLog,
    { projected, unlisted }: { projected: boolean; unlisted: boolean },
  ): Promise<number | undefined> {
    const { lifetime } = log;
    const row = await tx.queryOne<{ id: number }>(
      `WITH new AS (SELECT nextval(pg_get_serial_sequence('log_streams', 'id')) AS id)
       INSERT INTO log_streams (project_id, path, id, generation, content_type, tail, first, ttl_seconds, expires_at,
                                source_id, source_path, fork_anchor, fork_at, lineage_ids, lineage_ends,
                                lineage_generations, projected, unlisted)
       SELECT $1, $2, new.id, coalesce($3::bigint, new.id), $4, $5, $6, $7::bigint,
              CASE WHEN $7::bigint IS NULL THEN $8::timestamptz ELSE now() + log_idle_time($7::bigint) END,
              $9, $10, $11, $12, $13, $14, $15, $16, $17
         FROM new
       ON CONFLICT (project_id, path) DO NOTHING RETURNING id`,
      [
        project_id,
        path,
        log.generation ?? null,
        log.content_type,
        log.tail,
        log.first,
        lifetime && 'ttl_seconds' in lifetime ? lifetime.ttl_seconds : null,
        lifetime && 'expires_at' in lifetime ? lifetime.expires_at : null,
        log.source_id,
        log.source_path,
        log.fork_anchor,
        log.fork_at,
        log.lineage_ids,
        log.lineage_ends,
        log.lineage_generations,
        projected ? 0 : null,
        unlisted,
      ],
    );
    return row?.id;
  }

  /** Keeps the log from being removed before the transaction ends, and disturbs no writer. */
  async hold(tx: Transaction, { project_id, path }: LogKey): Promise<LogHead | undefined> {
    await tx.query(`SELECT 1 FROM log_streams WHERE project_id = $1 AND path = $2 FOR KEY SHARE`, [project_id, path]);
    return this.logs.headWithin(tx, { project_id, path });
  }

  async setSubscribed(tx: Transaction, { project_id, id }: { project_id: string; id: number }): Promise<void> {
    await tx.query(
      `UPDATE log_streams SET subscribed = true, version = version + 1 WHERE project_id = $1 AND id = $2`,
      [project_id, id],
    );
  }

  /** The log's id; undefined when there is none. */
  async setUnlisted(tx: Transaction, { project_id, path }: LogKey): Promise<number | undefined> {
    const row = await tx.queryOne<{ id: number }>(
      `UPDATE log_streams SET unlisted = true, version = version + 1
        WHERE project_id = $1 AND path = $2 AND deleted_at IS NULL RETURNING id`,
      [project_id, path],
    );
    return row?.id;
  }

  /** The logs and those they were forked from, however far back, locked in id order against everybody. */
  async lockChains(tx: Transaction, project_id: string, paths: string[]): Promise<RemovableLog[]> {
    const chain = await tx.query<{ id: number }>(
      `WITH RECURSIVE chain AS (
         SELECT id, source_id FROM log_streams WHERE project_id = $1 AND path = ANY($2::text[])
         UNION
         SELECT s.id, s.source_id FROM log_streams s JOIN chain c ON s.project_id = $1 AND s.id = c.source_id)
       SELECT id FROM chain`,
      [project_id, paths],
    );
    return tx.query<RemovableLog>(
      `SELECT id, path, source_id, deleted_at IS NOT NULL AS deleted FROM log_streams
        WHERE project_id = $1 AND id = ANY($2::bigint[]) ORDER BY id FOR UPDATE`,
      [project_id, chain.map((log) => log.id)],
    );
  }

  async hasForks(tx: Transaction, { project_id, id }: { project_id: string; id: number }): Promise<boolean> {
    const row = await tx.queryOne(`SELECT 1 FROM log_streams WHERE project_id = $1 AND source_id = $2 LIMIT 1`, [
      project_id,
      id,
    ]);
    return row !== undefined;
  }

  async markDeleted(tx: Transaction, { project_id, id }: { project_id: string; id: number }): Promise<void> {
    await tx.query(
      `UPDATE log_streams SET deleted_at = now(), expires_at = NULL, version = version + 1, wake_due = false WHERE project_id = $1 AND id = $2`,
      [project_id, id],
    );
  }

  /** Removes the row at once; its segments and producers go later, as garbage. */
  async delete(tx: Transaction, { project_id, id }: { project_id: string; id: number }): Promise<void> {
    await tx.query(
      `WITH gone AS (DELETE FROM log_streams WHERE project_id = $1 AND id = $2 RETURNING project_id, id)
       INSERT INTO log_garbage (project_id, log_id) SELECT project_id, id FROM gone`,
      [project_id, id],
    );
  }
}

export interface RemovableLog {
  id: number;
  path: string;
  source_id: number | null;
  deleted: boolean;
}
