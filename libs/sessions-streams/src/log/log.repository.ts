import { Injectable } from '@nestjs/common';
import { UnitOfWork, type Transaction } from '@holdfast/platform-postgres';

/** Names a log. Paths are `sessions/{session_id}/events` and `runners/{replica_id}/control`. */
export interface LogKey {
  project_id: string;
  path: string;
}

/** The row that a log's writers lock. */
export interface LogHead extends LogKey {
  id: number;
  generation: number;
  tail: number;
  first: number;
  /** The epoch whose runner may append, and the turn that it runs; null when no turn is live. */
  epoch: number | null;
  turn_id: string | null;
}

/** Consecutive messages as they are sent: JSON texts joined by commas, and the byte length of each. */
export interface LogSegment {
  start: number;
  upto: number;
  lengths: number[];
  body: Buffer;
}

/** Where a producer is in a log. */
export interface ProducerState {
  log_id: number;
  producer_id: string;
  epoch: number;
  seq: number;
}

/** What one group of appends changes, written in one statement. */
export interface LogChanges {
  heads: LogHead[];
  segments: (LogSegment & { project_id: string; log_id: number })[];
  producers: (ProducerState & { project_id: string })[];
}

const HEAD_COLUMNS = 'project_id, path, id, generation, tail, first, epoch, turn_id';

/** The SQL of the log. */
@Injectable()
export class LogRepository {
  constructor(private readonly unitOfWork: UnitOfWork) {}

  /** Makes an empty log, unless there is one. */
  async create(tx: Transaction, key: LogKey, generation: number, projected: boolean): Promise<void> {
    await tx.query(
      `INSERT INTO log_streams (project_id, path, generation, projected) VALUES ($1, $2, $3, $4) ON CONFLICT DO NOTHING`,
      [key.project_id, key.path, generation, projected ? 0 : null],
    );
  }

  async head(key: LogKey): Promise<LogHead | undefined> {
    return this.unitOfWork.queryOne<LogHead>(
      `SELECT ${HEAD_COLUMNS} FROM log_streams WHERE project_id = $1 AND path = $2`,
      [key.project_id, key.path],
    );
  }

  /** Locks the heads in id order. With `skipBusy`, heads that somebody else holds are left out of the answer. */
  async lockHeads(tx: Transaction, keys: LogKey[], skipBusy: boolean): Promise<LogHead[]> {
    return tx.query<LogHead>(
      `SELECT ${HEAD_COLUMNS} FROM log_streams
        WHERE (project_id, path) IN (SELECT * FROM unnest($1::uuid[], $2::text[]))
        ORDER BY id FOR UPDATE ${skipBusy ? 'SKIP LOCKED' : ''}`,
      [keys.map((key) => key.project_id), keys.map((key) => key.path)],
    );
  }

  /** Which of the keys name a log at all. */
  async existing(tx: Transaction, keys: LogKey[]): Promise<LogKey[]> {
    return tx.query<LogKey>(
      `SELECT project_id, path FROM log_streams
        WHERE (project_id, path) IN (SELECT * FROM unnest($1::uuid[], $2::text[]))`,
      [keys.map((key) => key.project_id), keys.map((key) => key.path)],
    );
  }

  async producers(tx: Transaction, logs: { project_id: string; id: number }[]): Promise<ProducerState[]> {
    return tx.query<ProducerState>(
      `SELECT log_id, producer_id, epoch, seq FROM log_producers
        WHERE (project_id, log_id) IN (SELECT * FROM unnest($1::uuid[], $2::bigint[]))`,
      [logs.map((log) => log.project_id), logs.map((log) => log.id)],
    );
  }

  /** Writes heads, segments and producers of locked logs in one round trip. */
  async write(tx: Transaction, { heads, segments, producers }: LogChanges): Promise<void> {
    await tx.query(
      `WITH heads AS (
         UPDATE log_streams s SET tail = h.tail, epoch = h.epoch, turn_id = h.turn_id
           FROM unnest($1::uuid[], $2::text[], $3::bigint[], $4::bigint[], $16::uuid[])
                AS h(project_id, path, tail, epoch, turn_id)
          WHERE s.project_id = h.project_id AND s.path = h.path),
       segments AS (
         INSERT INTO log_segments (project_id, log_id, start, upto, lengths, body)
         SELECT g.project_id, g.log_id, g.start, g.upto, g.lengths::int[], g.body
           FROM unnest($5::uuid[], $6::bigint[], $7::bigint[], $8::bigint[], $9::text[], $10::bytea[])
                AS g(project_id, log_id, start, upto, lengths, body))
       INSERT INTO log_producers (project_id, log_id, producer_id, epoch, seq)
       SELECT * FROM unnest($11::uuid[], $12::bigint[], $13::text[], $14::bigint[], $15::bigint[])
       ON CONFLICT (project_id, log_id, producer_id) DO UPDATE SET epoch = excluded.epoch, seq = excluded.seq`,
      [
        heads.map((head) => head.project_id),
        heads.map((head) => head.path),
        heads.map((head) => head.tail),
        heads.map((head) => head.epoch),
        segments.map((segment) => segment.project_id),
        segments.map((segment) => segment.log_id),
        segments.map((segment) => segment.start),
        segments.map((segment) => segment.upto),
        // unnest() flattens nested arrays, so each list of lengths travels as an array literal.
        segments.map((segment) => `{${segment.lengths.join(',')}}`),
        segments.map((segment) => segment.body),
        producers.map((producer) => producer.project_id),
        producers.map((producer) => producer.log_id),
        producers.map((producer) => producer.producer_id),
        producers.map((producer) => producer.epoch),
        producers.map((producer) => producer.seq),
        heads.map((head) => head.turn_id),
      ],
    );
  }

  /** Segments that hold messages after `position`, in order, up to about `maxBytes` (at least one). */
  async segmentsAfter(head: LogHead, position: number, maxBytes: number): Promise<LogSegment[]> {
    return this.unitOfWork.query<LogSegment>(
      `SELECT start, upto, lengths, body FROM (
         SELECT start, upto, lengths, body, sum(octet_length(body)) OVER (ORDER BY upto) - octet_length(body) AS before
           FROM (SELECT * FROM log_segments WHERE project_id = $1 AND log_id = $2 AND upto > $3 ORDER BY upto LIMIT 512) s
       ) page WHERE before < $4 ORDER BY upto`,
      [head.project_id, head.id, position, maxBytes],
    );
  }

  /** Moves the projection's mark from `from` to `to`; false when it is not at `from`. */
  async advanceProjected(tx: Transaction, key: LogKey, generation: number, from: number, to: number): Promise<boolean> {
    const rows = await tx.query(
      `UPDATE log_streams SET projected = $5
        WHERE project_id = $1 AND path = $2 AND generation = $3 AND projected = $4 AND tail >= $5 RETURNING id`,
      [key.project_id, key.path, generation, from, to],
    );
    return rows.length > 0;
  }

  /** Logs whose projection lags behind their tail, in the order of their keys, after `after` when given. */
  async lagging(limit: number, after?: LogKey): Promise<LogKey[]> {
    return this.unitOfWork.query<LogKey>(
      `SELECT project_id, path FROM log_streams
        WHERE projected < tail AND ($2::uuid IS NULL OR (project_id, path) > ($2, $3::text))
        ORDER BY project_id, path LIMIT $1`,
      [limit, after?.project_id ?? null, after?.path ?? null],
    );
  }
}
