import { Injectable } from '@nestjs/common';
import { UnitOfWork, type PreparedStatement, type Transaction } from '@holdfast/platform-postgres';
import type { LogHead, LogKey, ProducerState } from './log-head.js';

/** Consecutive messages of one log as they are stored and sent. */
export interface LogSegment {
  start: number;
  upto: number;
  /** Bytes of each message, int32 big-endian each; empty for a log of bytes. */
  lengths: Buffer;
  /** JSON texts joined by commas, or the bytes. */
  body: Buffer;
}

/** What one group of appends makes of one log. */
export interface HeadChange {
  project_id: string;
  id: number;
  /** The version that the change was judged upon. */
  version: number;
  tail: number;
  /** Absent when only the tail moves. */
  rest?: Pick<LogHead, 'closed' | 'closed_by' | 'last_seq' | 'epoch' | 'turn_id'>;
}

/** What a group of appends changes, written by one statement. */
export interface LogChanges {
  heads: HeadChange[];
  segments: (LogSegment & { log_id: number })[];
  producers: (ProducerState & { log_id: number; producer_id: string })[];
}

/** `held` by another transaction, `stale` when the log is not (any more) as the change assumed, else `written`. */
export type WriteResult = 'written' | 'held' | 'stale';

const HEAD_COLUMNS = `project_id, path, id, generation, version, content_type, tail, first, closed, closed_by, last_seq,
  ttl_seconds, expires_at, source_id, source_path, fork_anchor, fork_at, lineage_ids, lineage_ends,
  lineage_generations, epoch, turn_id, subscribed,
  CASE WHEN deleted_at IS NOT NULL THEN 'deleted' WHEN expires_at <= now() THEN 'expired' ELSE 'live' END AS state`;

const NAMED = `(project_id, path) IN (SELECT * FROM unnest($1::uuid[], $2::text[]))`;

/** From how many segments on a log is worth compacting. */
export const SCATTERED_FROM = 64;

/** How every change sets a log's row `s`. */
const setTail = (change: { tail: string; segments: string }) => `
     SET version = s.version + 1, tail = ${change.tail},
         lagging = s.lagging OR s.projected IS NOT NULL,
         wake_due = s.wake_due OR s.subscribed,
         loose_segments = s.loose_segments + ${change.segments},
         scattered = s.scattered OR s.loose_segments + ${change.segments} >= ${SCATTERED_FROM},
         expires_at = CASE WHEN s.expires_at < now() + make_interval(secs => s.ttl_seconds)
                           THEN now() + log_idle_time(s.ttl_seconds) ELSE s.expires_at END`;

/** The same where more may change: `rest` is null where it does not. */
const setHead = (change: { tail: string; segments: string; rest: string }) => `${setTail(change)},
         closed = CASE WHEN ${change.rest} IS NULL THEN s.closed ELSE (${change.rest}->'closed')::boolean END,
         closed_by = CASE WHEN ${change.rest} IS NULL THEN s.closed_by ELSE nullif(${change.rest}->'closed_by', 'null') END,
         last_seq = CASE WHEN ${change.rest} IS NULL THEN s.last_seq ELSE ${change.rest}->>'last_seq' END,
         epoch = CASE WHEN ${change.rest} IS NULL THEN s.epoch ELSE (${change.rest}->>'epoch')::bigint END,
         turn_id = CASE WHEN ${change.rest} IS NULL THEN s.turn_id ELSE (${change.rest}->>'turn_id')::uuid END`;

const MAY_CHANGE = `s.deleted_at IS NULL AND (s.expires_at IS NULL OR s.expires_at > now())`;

const REPLACE_PRODUCER = `
  ON CONFLICT (project_id, log_id, producer_id) DO UPDATE SET epoch = excluded.epoch, seq = excluded.seq`;

/**
 * Changes each log whose version is still the expected one, and stores its segments and producers; leaves every other
 * log alone. Waits for nobody. A row is locked first and then named by its place: that is the cheapest way to it, and
 * finds nothing where the row was changed after the statement began. Answers with the ids of the changed logs in one
 * text, which is cheaper than a row each.
 */
const WRITE_MANY = `
WITH held AS (
  SELECT s.ctid AS place, s.version = c.version AS same, c.tail, c.segments, c.rest
    FROM log_streams s
    JOIN unnest($1::uuid[], $2::bigint[], $3::bigint[], $4::bigint[], $5::int[], $6::jsonb[])
         AS c(project_id, id, version, tail, segments, rest) ON s.project_id = c.project_id AND s.id = c.id
   FOR NO KEY UPDATE OF s SKIP LOCKED
), moved AS (
  UPDATE log_streams s ${setHead({ tail: 'h.tail', segments: 'h.segments', rest: 'h.rest' })}
    FROM held h
   WHERE h.same AND s.ctid = h.place AND ${MAY_CHANGE}
  RETURNING s.project_id, s.id
), segments AS (
  INSERT INTO log_segments (project_id, log_id, start, upto, lengths, body)
  SELECT m.project_id, g.log_id, g.start, g.upto,
         substring($7::bytea FROM g.lengths_at FOR g.lengths_size), substring($10::bytea FROM g.body_at FOR g.body_size)
    FROM unnest($13::bigint[], $14::bigint[], $15::bigint[], $8::int[], $9::int[], $11::int[], $12::int[])
         AS g(log_id, start, upto, lengths_at, lengths_size, body_at, body_size)
    JOIN moved m ON m.id = g.log_id
), producers AS (
  INSERT INTO log_producers (project_id, log_id, producer_id, epoch, seq)
  SELECT m.project_id, p.log_id, p.producer_id, p.epoch, p.seq
    FROM unnest($16::bigint[], $17::text[], $18::bigint[], $19::bigint[]) AS p(log_id, producer_id, epoch, seq)
    JOIN moved m ON m.id = p.log_id ${REPLACE_PRODUCER}
)
SELECT string_agg(id::text, ',') AS written FROM moved`;

/** The same for one segment of one log, and where its producer is, if it has one: half of the time. */
const writeOne = (producers: string) => `
WITH moved AS (
  UPDATE log_streams s ${setTail({ tail: '$4', segments: '1' })}
   WHERE s.ctid = (SELECT ctid FROM log_streams WHERE project_id = $1 AND id = $2 FOR NO KEY UPDATE SKIP LOCKED)
     AND s.version = $3 AND ${MAY_CHANGE}
  RETURNING s.project_id, s.id
)${producers}
INSERT INTO log_segments (project_id, log_id, start, upto, lengths, body)
SELECT m.project_id, m.id, $5, $6, $7, $8 FROM moved m
RETURNING log_id::text AS written`;

const WRITE_ONE = writeOne('');
const WRITE_ONE_OF_PRODUCER = writeOne(`, producers AS (
  INSERT INTO log_producers (project_id, log_id, producer_id, epoch, seq)
  SELECT m.project_id, m.id, $9, $10, $11 FROM moved m ${REPLACE_PRODUCER}
)`);

/**
 * The segments that hold what comes after a position, joined to one. JSON travels as text: the driver takes bytea as
 * hexadecimal digits, which is twice the bytes and more of the time.
 */
const readSegments = (body: string) => `
SELECT count(*)::int AS count, sum(octet_length(body)) AS bytes, min(start) AS start, max(upto) AS upto,
       string_agg(lengths, ''::bytea ORDER BY upto) AS lengths, ${body} AS body
  FROM (SELECT start, upto, lengths, body, sum(octet_length(body)) OVER (ORDER BY upto) - octet_length(body) AS before
          FROM (SELECT start, upto, lengths, body FROM log_segments
                 WHERE project_id = $1 AND log_id = $2 AND upto > $3 AND start < $4 ORDER BY upto LIMIT $6) near
       ) page
 WHERE before < $5`;

/** How many segments are looked at to fill a block: few, and more only where they are small. */
const LOOKED_AT = [64, 2_048, 16_384];

interface JoinedSegments {
  count: number;
  bytes: number;
  start: number | null;
  upto: number;
  lengths: Buffer;
  body: Buffer;
}

const READ_JSON = readSegments(`convert_from(string_agg(body, ','::bytea ORDER BY upto), 'UTF8')`);
const READ_BYTES = readSegments(`string_agg(body, ''::bytea ORDER BY upto)`);

/** The SQL of heads, segments and producers. */
@Injectable()
export class LogRepository {
  constructor(private readonly unitOfWork: UnitOfWork) {}

  async head(key: LogKey): Promise<LogHead | undefined> {
    const rows = await this.unitOfWork.statement<LogHead>({
      name: 'log_head',
      text: `SELECT ${HEAD_COLUMNS} FROM log_streams WHERE project_id = $1 AND path = $2`,
      values: [key.project_id, key.path],
    });
    return rows[0];
  }

  /** As the transaction sees it, its own changes included. */
  async headWithin(tx: Transaction, key: LogKey): Promise<LogHead | undefined> {
    return tx.queryOne<LogHead>(`SELECT ${HEAD_COLUMNS} FROM log_streams WHERE project_id = $1 AND path = $2`, [
      key.project_id,
      key.path,
    ]);
  }

  async heads(keys: LogKey[]): Promise<LogHead[]> {
    return this.unitOfWork.statement<LogHead>({
      name: 'log_heads',
      text: `SELECT ${HEAD_COLUMNS} FROM log_streams WHERE ${NAMED}`,
      values: [keys.map((key) => key.project_id), keys.map((key) => key.path)],
    });
  }

  /** Heads, and where those of the named producers are that wrote to them ([id, epoch, seq]), as of one moment. */
  async headsWithProducers(
    keys: LogKey[],
    producers: (LogKey & { producer_id: string })[],
  ): Promise<{ head: LogHead; producers: [id: string, epoch: number, seq: number][] }[]> {
    if (!producers.length) return (await this.heads(keys)).map((head) => ({ head, producers: [] }));
    const rows = await this.unitOfWork.statement<LogHead & { states: [string, number, number][] | null }>({
      name: 'log_heads_with_producers',
      text: `WITH head AS (SELECT ${HEAD_COLUMNS} FROM log_streams WHERE ${NAMED}),
                  producer AS (
                    SELECT h.id, jsonb_agg(jsonb_build_array(p.producer_id, p.epoch, p.seq)) AS states
                      FROM unnest($3::uuid[], $4::text[], $5::text[]) AS named(project_id, path, producer_id)
                      JOIN head h ON h.project_id = named.project_id AND h.path = named.path
                      JOIN log_producers p
                        ON p.project_id = h.project_id AND p.log_id = h.id AND p.producer_id = named.producer_id
                     GROUP BY h.id)
             SELECT head.*, producer.states FROM head LEFT JOIN producer ON producer.id = head.id`,
      values: [
        keys.map((key) => key.project_id),
        keys.map((key) => key.path),
        producers.map(({ project_id }) => project_id),
        producers.map(({ path }) => path),
        producers.map(({ producer_id }) => producer_id),
      ],
    });
    return rows.map(({ states, ...head }) => ({ head, producers: states ?? [] }));
  }

  /** Locks the heads in id order until the transaction ends; waits for whoever holds one. */
  async lockHeads(tx: Transaction, keys: LogKey[]): Promise<LogHead[]> {
    return tx.query<LogHead>(`SELECT ${HEAD_COLUMNS} FROM log_streams WHERE ${NAMED} ORDER BY id FOR NO KEY UPDATE`, [
      keys.map((key) => key.project_id),
      keys.map((key) => key.path),
    ]);
  }

  /** Where producers are, of those that ever wrote. */
  async producers(
    names: { project_id: string; log_id: number; producer_id: string }[],
    tx?: Transaction,
  ): Promise<(ProducerState & { log_id: number; producer_id: string })[]> {
    const statement = {
      name: 'log_producers',
      text: `SELECT log_id, producer_id, epoch, seq FROM log_producers
              WHERE (project_id, log_id, producer_id) IN (SELECT * FROM unnest($1::uuid[], $2::bigint[], $3::text[]))`,
      values: [
        names.map(({ project_id }) => project_id),
        names.map(({ log_id }) => log_id),
        names.map(({ producer_id }) => producer_id),
      ],
    };
    return tx ? tx.query(statement.text, statement.values) : this.unitOfWork.statement(statement);
  }

  /** What became of each of `changes.heads`, in their order. Commits by itself unless in a transaction. */
  async write(changes: LogChanges, tx?: Transaction): Promise<WriteResult[]> {
    const { heads } = changes;
    const statement = writeStatement(changes);
    const rows = tx
      ? await tx.query<{ written: string | null }>(statement.text, statement.values)
      : await this.unitOfWork.statement<{ written: string | null }>(statement);
    const written = new Set(rows[0]?.written?.split(',').map(Number));
    if (written.size === heads.length) return heads.map(() => 'written');
    const leftOut = heads.filter(({ id }) => !written.has(id));
    // The others are committed, whatever becomes of this question.
    const free = await this.lockable(leftOut, tx).catch(() => new Set());
    return heads.map(({ id }) => (written.has(id) ? 'written' : free.has(id) ? 'stale' : 'held'));
  }

  /** Those of the logs that no other transaction holds now. */
  private async lockable(logs: { project_id: string; id: number }[], tx?: Transaction): Promise<Set<number>> {
    const text = `SELECT id FROM log_streams WHERE (project_id, id) IN (SELECT * FROM unnest($1::uuid[], $2::bigint[]))
                     FOR NO KEY UPDATE SKIP LOCKED`;
    const values = [logs.map(({ project_id }) => project_id), logs.map(({ id }) => id)];
    const rows = tx
      ? await tx.query<{ id: number }>(text, values)
      : await this.unitOfWork.query<{ id: number }>(text, values);
    return new Set(rows.map(({ id }) => id));
  }

  /** Segments of one log between `position` and `end`, up to about `maxBytes` but at least one, joined to one. */
  async read(
    log: { project_id: string; log_id: number; json: boolean },
    position: number,
    end: number,
    maxBytes: number,
  ): Promise<LogSegment | undefined> {
    let row: JoinedSegments | undefined;
    for (const limit of LOOKED_AT) {
      [row] = await this.unitOfWork.statement<JoinedSegments>({
        name: log.json ? 'log_read_json' : 'log_read_bytes',
        text: log.json ? READ_JSON : READ_BYTES,
        values: [log.project_id, log.log_id, position, end, maxBytes, limit],
      });
      if (!row || row.count < limit || row.bytes > maxBytes / 2) break;
    }
    if (!row || row.start === null) return undefined;
    return { start: row.start, upto: row.upto, lengths: row.lengths, body: Buffer.from(row.body) };
  }

  /** Makes an idle log live on. It writes only when that moves the expiry, so not with every read. */
  async touch({ project_id, id }: { project_id: string; id: number }): Promise<void> {
    await this.unitOfWork.statement({
      name: 'log_touch',
      text: `UPDATE log_streams SET expires_at = now() + log_idle_time(ttl_seconds)
              WHERE project_id = $1 AND id = $2 AND ttl_seconds IS NOT NULL AND expires_at > now()
                AND expires_at < now() + make_interval(secs => ttl_seconds)`,
      values: [project_id, id],
    });
  }

  /** Moves the projection's mark from `from` to `to`; false when it is not at `from`. */
  async advanceProjected(tx: Transaction, key: LogKey, generation: number, from: number, to: number): Promise<boolean> {
    const rows = await tx.query(
      `UPDATE log_streams SET projected = $5, lagging = tail > $5
        WHERE project_id = $1 AND path = $2 AND generation = $3 AND projected = $4 AND tail >= $5 RETURNING id`,
      [key.project_id, key.path, generation, from, to],
    );
    return rows.length > 0;
  }

  /** Logs whose projection lags behind their tail, in the order of their keys, after `after` when given. */
  async lagging(limit: number, after?: LogKey): Promise<LogKey[]> {
    return this.unitOfWork.query<LogKey>(
      `SELECT project_id, path FROM log_streams
        WHERE lagging AND ($2::uuid IS NULL OR (project_id, path) > ($2, $3::text))
        ORDER BY project_id, path LIMIT $1`,
      [limit, after?.project_id ?? null, after?.path ?? null],
    );
  }
}

function writeStatement(changes: LogChanges): PreparedStatement {
  const { heads, segments, producers } = changes;
  const [head, segment, producer] = [heads[0]!, segments[0], producers[0]];
  const isOne = heads.length === 1 && !head.rest && segments.length === 1 && producers.length <= 1;
  if (!isOne) return { name: 'log_write_many', text: WRITE_MANY, values: valuesOfMany(changes) };
  const { start, upto, lengths, body } = segment!;
  const values = [head.project_id, head.id, head.version, head.tail, start, upto, lengths, body];
  if (!producer) return { name: 'log_write_one', text: WRITE_ONE, values };
  values.push(producer.producer_id, producer.epoch, producer.seq);
  return { name: 'log_write_one_of_producer', text: WRITE_ONE_OF_PRODUCER, values };
}

/** What changes besides the tail, which is seldom more. */
const restOf = ({ rest }: HeadChange): string | null => (rest ? JSON.stringify(rest) : null);

function valuesOfMany({ heads, segments, producers }: LogChanges): unknown[] {
  const counts = new Map<number, number>();
  for (const { log_id } of segments) counts.set(log_id, (counts.get(log_id) ?? 0) + 1);
  return [
    literal(heads, (head) => head.project_id),
    literal(heads, (head) => head.id),
    literal(heads, (head) => head.version),
    literal(heads, (head) => head.tail),
    literal(heads, (head) => counts.get(head.id) ?? 0),
    heads.map(restOf),
    ...joined(segments.map((segment) => segment.lengths)),
    ...joined(segments.map((segment) => segment.body)),
    literal(segments, (segment) => segment.log_id),
    literal(segments, (segment) => segment.start),
    literal(segments, (segment) => segment.upto),
    literal(producers, (producer) => producer.log_id),
    producers.map((producer) => producer.producer_id),
    literal(producers, (producer) => producer.epoch),
    literal(producers, (producer) => producer.seq),
  ];
}

/** An array literal: the driver would look at each element of an array for what must be quoted. */
function literal<Row>(rows: Row[], valueOf: (row: Row) => string | number): string {
  let text = '';
  for (const row of rows) text += text ? `,${valueOf(row)}` : valueOf(row);
  return `{${text}}`;
}

/** One value for all, and where each is in it: an array of bytea would travel as hexadecimal text. */
function joined(buffers: Buffer[]): [all: Buffer, at: string, sizes: string] {
  let at = 1;
  const starts = buffers.map((buffer) => {
    const start = at;
    at += buffer.length;
    return start;
  });
  return [
    Buffer.concat(buffers, at - 1),
    literal(starts, (start) => start),
    literal(buffers, (buffer) => buffer.length),
  ];
}
