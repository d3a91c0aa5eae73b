import { Injectable, Logger } from '@nestjs/common';
import { UnitOfWork, type Transaction } from '@holdfast/platform-postgres';
import { isJson } from '../log-head.js';
import { SCATTERED_FROM } from '../log.repository.js';
import { claimLog } from './claim-log.js';
import { FULL_WEIGHT, planMerges, type SegmentSize } from './merge-plan.rules.js';

const LOGS_PER_BATCH = 100;

/** The newest segments stay as they were appended, so that who reads just behind the tail reads little. */
const NEWEST_LEFT = 16;

/** How many segments before those appended since the last compaction may still grow. */
const GROWING = 64;

/** What one transaction looks at, at most: segments, and bytes of those that are not full. */
const STEP_SEGMENTS = 16_384;
const STEP_BYTES = 4 * 1024 * 1024;

/** What a round did. */
export interface Compaction {
  logs: number;
  /** Segments that were merged, and those that they became. */
  merged: number;
  written: number;
  /** Of messages and their lengths. */
  bytes: number;
}

interface ScatteredLog {
  project_id: string;
  id: number;
  content_type: string;
}

/** What one pass over a log looks at: its segments after `after` up to `upto`. */
interface Pass {
  after: number;
  upto: number;
  /** Segments appended since the last compaction, when the pass begins. */
  loose: number;
}

interface StoredSegment extends SegmentSize {
  upto: number;
}

/**
 * Merges adjacent small segments of logs into large ones, inside PostgreSQL, so that reading a long log reads few rows.
 * What a log holds and the offsets of it stay the same: a reader sees the old segments or the merged one.
 *
 * It locks no head, so neither an append nor a delete waits for it: an append only adds segments after those it looks
 * at, and what a delete leaves behind is removed whatever its size.
 */
@Injectable()
export class LogCompactor {
  private readonly logger = new Logger(LogCompactor.name);

  constructor(private readonly unitOfWork: UnitOfWork) {}

  /** One round over all logs that are worth it. Ends early when `stopping` aborts. Safe with any number of workers. */
  async run(stopping: AbortSignal): Promise<Compaction> {
    const done: Compaction = { logs: 0, merged: 0, written: 0, bytes: 0 };
    let logs: ScatteredLog[] = [];
    do {
      logs = await this.scattered(logs.at(-1));
      for (const log of logs) if (!stopping.aborted) await this.tryToCompact(log, stopping, done);
    } while (logs.length === LOGS_PER_BATCH && !stopping.aborted);
    return done;
  }

  private scattered(after: ScatteredLog | undefined): Promise<ScatteredLog[]> {
    return this.unitOfWork.query<ScatteredLog>(
      `SELECT project_id, id, content_type FROM log_streams
        WHERE scattered AND ($2::uuid IS NULL OR (project_id, id) > ($2, $3::bigint))
        ORDER BY project_id, id LIMIT $1`,
      [LOGS_PER_BATCH, after?.project_id ?? null, after?.id ?? null],
    );
  }

  private async tryToCompact(log: ScatteredLog, stopping: AbortSignal, done: Compaction): Promise<void> {
    try {
      await this.compact(log, stopping, done);
    } catch (error) {
      // One log that cannot be compacted must not hold up the others.
      this.logger.error({ event: 'compaction.failed', project_id: log.project_id, log_id: log.id, err: error });
    }
  }

  private async compact(log: ScatteredLog, stopping: AbortSignal, done: Compaction): Promise<void> {
    const pass = await this.begin(log);
    if (!pass) return;
    let after: number | undefined = pass.after;
    while (after !== undefined && after < pass.upto) {
      if (stopping.aborted) return;
      after = await this.step(log, after, pass.upto, done);
    }
    // Somebody else has it, and settles it.
    if (after === undefined) return;
    await this.settle(log, pass);
    done.logs += 1;
  }

  private async begin({ project_id, id }: ScatteredLog): Promise<Pass | undefined> {
    const nth = (offset: string) => `
      (SELECT g.upto FROM log_segments g WHERE g.project_id = s.project_id AND g.log_id = s.id
        ORDER BY g.upto DESC OFFSET ${offset} LIMIT 1)`;
    return this.unitOfWork.queryOne<Pass>(
      `SELECT greatest(s.first, ${nth(`s.loose_segments + ${GROWING}`)}) AS after, coalesce(${nth(`${NEWEST_LEFT}`)}, 0) AS upto,
              s.loose_segments AS loose
         FROM log_streams s WHERE s.project_id = $1 AND s.id = $2 AND s.scattered`,
      [project_id, id],
    );
  }

  /** Merges in one transaction, and tells from where to go on; undefined when another worker has the log. */
  private step(log: ScatteredLog, after: number, upto: number, done: Compaction): Promise<number | undefined> {
    return this.unitOfWork.run(async (tx) => {
      if (!(await claimLog(tx, log.id))) return undefined;
      const segments = await this.segments(tx, log, after, upto);
      const { merges, open } = planMerges(segments);
      const last = segments.at(-1)?.upto ?? upto;
      let bytes = 0;
      for (const { from, upto } of merges) bytes += await this.merge(tx, log, segments.slice(from, upto));

      tx.afterCommit(() => {
        for (const merge of merges) done.merged += merge.upto - merge.from;
        done.written += merges.length;
        done.bytes += bytes;
      });
      if (last === upto) return upto;
      // What may still grow is looked at again with what comes after it.
      if (open > 0) return segments[open - 1]!.upto;
      return merges.length ? after : last;
    });
  }

  private segments(tx: Transaction, log: ScatteredLog, after: number, upto: number): Promise<StoredSegment[]> {
    return tx.query<StoredSegment>(
      `SELECT upto, weight, day FROM (
         SELECT upto, weight, day, sum(CASE WHEN weight < $6 THEN weight ELSE 0 END) OVER (ORDER BY upto) AS total
           FROM (SELECT upto, octet_length(body) + octet_length(lengths) + 1 AS weight,
                        floor(extract(epoch FROM created_at) / 86400)::int AS day
                   FROM log_segments WHERE project_id = $1 AND log_id = $2 AND upto > $3 AND upto <= $4
                  ORDER BY upto LIMIT $5) near
       ) step WHERE total <= $7 ORDER BY upto`,
      [log.project_id, log.id, after, upto, STEP_SEGMENTS, FULL_WEIGHT, STEP_BYTES],
    );
  }

  /** Makes one segment of `parts`; its bytes. It has the time of the newest, so that it is not trimmed too early. */
  private async merge(tx: Transaction, log: ScatteredLog, parts: StoredSegment[]): Promise<number> {
    const row = await tx.queryOne<{ bytes: number }>(
      `WITH parts AS (
         DELETE FROM log_segments WHERE project_id = $1 AND log_id = $2 AND upto BETWEEN $3 AND $4
         RETURNING start, upto, lengths, body, created_at)
       INSERT INTO log_segments (project_id, log_id, start, upto, lengths, body, created_at)
       SELECT $1, $2, min(start), max(upto), string_agg(lengths, ''::bytea ORDER BY upto),
              string_agg(body, $5::bytea ORDER BY upto), max(created_at)
         FROM parts HAVING count(*) = $6
       RETURNING octet_length(body) + octet_length(lengths) AS bytes`,
      [log.project_id, log.id, parts[0]!.upto, parts.at(-1)!.upto, Buffer.from(isJson(log) ? ',' : ''), parts.length],
    );
    if (!row) throw new Error(`segments of log ${log.id} of project ${log.project_id} changed while they were claimed`);
    return row.bytes;
  }

  /** By itself, so that the head is locked no longer than by an append. */
  private async settle({ project_id, id }: ScatteredLog, { loose }: Pass): Promise<void> {
    await this.unitOfWork.query(
      `UPDATE log_streams
          SET loose_segments = loose_segments - $3 + $4, scattered = loose_segments - $3 + $4 >= $5
        WHERE project_id = $1 AND id = $2 AND loose_segments >= $3`,
      [project_id, id, loose, NEWEST_LEFT, SCATTERED_FROM],
    );
  }
}
