import { Injectable, Logger } from '@nestjs/common';
import { UnitOfWork, type Transaction } from '@holdfast/platform-postgres';
import { StreamNotFound } from '../durable-streams.errors.js';
import type { LogKey } from '../log-head.js';

const LOGS_PER_BATCH = 1_000;

/** How many segments one trim by age looks at. */
const STEP_SEGMENTS = 10_000;

/** What a round did. */
export interface Retention {
  /** Logs that lost their oldest messages. */
  logs: number;
}

/** A log under its lock. */
interface LockedLog {
  project_id: string;
  id: number;
  first: number;
}

/**
 * Forgets the beginning of logs: `first` moves and readers of what lies before it get 410 with the earliest offset left.
 * The segments that lie before it as a whole become garbage. What its transcript has not read, and what forks read from,
 * always stays.
 */
@Injectable()
export class LogRetention {
  private readonly logger = new Logger(LogRetention.name);

  constructor(private readonly unitOfWork: UnitOfWork) {}

  /**
   * Forgets what lies before position `upto`, as far as it may go; the tail is the furthest. Gives the earliest position
   * left, which is where it was when nothing may go. Errors: stream_not_found.
   */
  async trim(tx: Transaction, key: LogKey, upto: number): Promise<number> {
    const log = await this.lock(tx, key);
    if (!log) throw StreamNotFound({ path: key.path });
    return (await this.moveFirst(tx, log, upto)) ?? log.first;
  }

  /**
   * Trims every log by whole segments whose newest message is more than `days` old. Ends early when `stopping` aborts.
   * Safe with any number of workers.
   */
  async trimByAge(days: number, stopping: AbortSignal): Promise<Retention> {
    const done: Retention = { logs: 0 };
    let logs: (LogKey & { is_due: boolean })[] = [];
    do {
      logs = await this.logsByAge(days, logs.at(-1));
      for (const log of logs) {
        if (log.is_due && !stopping.aborted && (await this.tryToTrim(log, days, stopping))) done.logs += 1;
      }
    } while (logs.length === LOGS_PER_BATCH && !stopping.aborted);
    return done;
  }

  /** Any log may be due, and only its oldest segment tells: one look at an index for each. */
  private logsByAge(days: number, after: LogKey | undefined): Promise<(LogKey & { is_due: boolean })[]> {
    return this.unitOfWork.query<LogKey & { is_due: boolean }>(
      `SELECT s.project_id, s.path, coalesce(
                (SELECT g.created_at FROM log_segments g
                  WHERE g.project_id = s.project_id AND g.log_id = s.id AND g.upto > s.first ORDER BY g.upto LIMIT 1)
                < now() - make_interval(days => $4), false) AS is_due
         FROM (SELECT project_id, path, id, first FROM log_streams
                WHERE $2::uuid IS NULL OR (project_id, path) > ($2, $3::text)
                ORDER BY project_id, path LIMIT $1) s
        ORDER BY s.project_id, s.path`,
      [LOGS_PER_BATCH, after?.project_id ?? null, after?.path ?? null, days],
    );
  }

  private async tryToTrim(key: LogKey, days: number, stopping: AbortSignal): Promise<boolean> {
    let isTrimmed = false;
    try {
      while (!stopping.aborted && (await this.trimSome(key, days))) isTrimmed = true;
    } catch (error) {
      // One log that cannot be trimmed must not hold up the others.
      this.logger.error({ event: 'retention.failed', project_id: key.project_id, path: key.path, err: error });
    }
    return isTrimmed;
  }

  /** False when it may lose nothing more. */
  private trimSome(key: LogKey, days: number): Promise<boolean> {
    return this.unitOfWork.run(async (tx) => {
      const log = await this.lock(tx, key);
      const upto = log && (await this.endOfOld(tx, log, days));
      return upto != null && (await this.moveFirst(tx, log!, upto)) !== undefined;
    });
  }

  /** Against whoever appends to it, deletes it or is about to fork it. Undefined when there is no such log. */
  private lock(tx: Transaction, { project_id, path }: LogKey): Promise<LockedLog | undefined> {
    return tx.queryOne<LockedLog>(
      `SELECT project_id, id, first FROM log_streams
        WHERE project_id = $1 AND path = $2 AND deleted_at IS NULL AND (expires_at IS NULL OR expires_at > now())
          FOR UPDATE`,
      [project_id, path],
    );
  }

  private async endOfOld(tx: Transaction, { project_id, id, first }: LockedLog, days: number): Promise<number | null> {
    const row = await tx.queryOne<{ upto: number | null }>(
      `SELECT max(upto) AS upto FROM (
         SELECT upto, bool_and(created_at < now() - make_interval(days => $4)) OVER (ORDER BY upto) AS is_old
           FROM (SELECT upto, created_at FROM log_segments WHERE project_id = $1 AND log_id = $2 AND upto > $3
                  ORDER BY upto LIMIT $5) oldest
       ) step WHERE is_old`,
      [project_id, id, first, days, STEP_SEGMENTS],
    );
    return row!.upto;
  }

  /** The new first position of a locked log; undefined when it may not move. */
  private async moveFirst(tx: Transaction, { project_id, id }: LockedLog, upto: number): Promise<number | undefined> {
    const row = await tx.queryOne<{ first: number }>(
      `WITH trimmed AS (
         UPDATE log_streams s SET first = least($3::bigint, tail, projected), version = version + 1
          WHERE project_id = $1 AND id = $2 AND least($3::bigint, tail, projected) > first
            AND NOT EXISTS (SELECT 1 FROM log_streams f WHERE f.project_id = $1 AND f.source_id = $2)
         RETURNING project_id, id, first),
       garbage AS (INSERT INTO log_garbage (project_id, log_id, upto) SELECT project_id, id, first FROM trimmed)
       SELECT first FROM trimmed`,
      [project_id, id, upto],
    );
    return row?.first;
  }
}
