import { randomUUID } from 'node:crypto';
import { UnitOfWork } from '@holdfast/platform-postgres';
import { eventually } from '@holdfast/testing';
import pg from 'pg';
import {
  ExpiredLogs,
  isJson,
  LogCompactor,
  LogGarbage,
  LogLifecycle,
  LogReader,
  LogRetention,
  LogService,
  pageBytes,
  type LogCreate,
  type LogKey,
} from '../src/index.js';
import { startEngine } from './engine.js';

export const unlimited = new AbortController().signal;

/** The log as one process has it, on a database of its own or on one that another process has too. */
export async function startLogs({ url }: { url?: string } = {}) {
  // Nothing is kept in memory: what is read is what PostgreSQL has.
  const engine = await startEngine({ url, config: { cacheBytes: 0 }, unitOfWorkOf: (of) => new UnitOfWork(of) });
  const { app, unitOfWork } = engine;
  const reader = app.get(LogReader);
  const lifecycle = app.get(LogLifecycle);
  const log = app.get(LogService);

  /** A transaction of somebody who is in no hurry. */
  async function begin() {
    const client = new pg.Client({ connectionString: engine.url });
    await client.connect();
    await client.query('BEGIN');
    const { rows } = await client.query<{ pid: number }>('SELECT pg_backend_pid() AS pid');
    return {
      query: (text: string, values: unknown[]) => client.query(text, values),
      blocked: () =>
        eventually(async () => {
          const waiting = await unitOfWork.queryOne<{ pid: number }>(
            `SELECT pid FROM pg_stat_activity WHERE $1 = ANY(pg_blocking_pids(pid))`,
            [rows[0]!.pid],
          );
          if (!waiting) throw new Error('nobody waits');
          return waiting.pid;
        }),
      async end(statement: 'COMMIT' | 'ROLLBACK'): Promise<void> {
        await client.query(statement);
        await client.end();
      },
    };
  }

  return {
    url: engine.url,
    unitOfWork,
    stop: engine.stop,
    log,
    lifecycle,
    reader,
    compactor: app.get(LogCompactor),
    retention: app.get(LogRetention),
    expired: app.get(ExpiredLogs),
    garbage: app.get(LogGarbage),

    /** A log without a message, unless `create` says otherwise. */
    async make(create: Partial<LogCreate> = {}): Promise<LogKey> {
      const key = { project_id: randomUUID(), path: `logs/${randomUUID()}` };
      const made = { content_type: 'application/json', closed: false, body: Buffer.alloc(0), ...key, ...create };
      await lifecycle.create(made);
      return { project_id: made.project_id, path: made.path };
    },

    append: (key: LogKey, ...messages: (string | Buffer)[]) =>
      log.append({ ...key, messages: messages.map((message) => Buffer.from(message)) }),

    /** Each of `segments` as one append, without judging them: of messages for JSON, of one run of bytes else. */
    async store(key: LogKey, segments: Buffer[][]): Promise<void> {
      const { id, content_type, tail } = await reader.head(key);
      const json = isJson({ content_type });
      let at = tail;
      const rows = segments.map((messages) => {
        const start = at;
        at += json ? messages.length : messages[0]!.length;
        const lengths = Buffer.alloc(json ? messages.length * 4 : 0);
        if (json) messages.forEach(({ length }, index) => lengths.writeInt32BE(length, index * 4));
        return { start, upto: at, lengths, body: json ? Buffer.from(messages.join(',')) : messages[0]! };
      });
      await unitOfWork.run(async (tx) => {
        await tx.query(
          `INSERT INTO log_segments (project_id, log_id, start, upto, lengths, body)
           SELECT $1, $2, * FROM unnest($3::bigint[], $4::bigint[], $5::bytea[], $6::bytea[])`,
          [
            key.project_id,
            id,
            rows.map((row) => row.start),
            rows.map((row) => row.upto),
            rows.map((row) => row.lengths),
            rows.map((row) => row.body),
          ],
        );
        await tx.query(
          `UPDATE log_streams SET tail = $3, version = version + 1, loose_segments = loose_segments + $4,
                  scattered = scattered OR loose_segments + $4 >= 64
            WHERE project_id = $1 AND id = $2`,
          [key.project_id, id, at, rows.length],
        );
      });
    },

    /** As many appends of one message each, in one statement and without judging them. */
    async scatter(key: LogKey, count: number, { bytes = 256, minutesAgo = 0 } = {}): Promise<void> {
      await unitOfWork.query(
        `WITH head AS (
           UPDATE log_streams SET tail = tail + $3::int, version = version + 1, loose_segments = loose_segments + $3::int,
                  scattered = scattered OR loose_segments + $3::int >= 64,
                  lagging = projected IS NOT NULL
            WHERE project_id = $1 AND path = $2 RETURNING project_id, id, tail),
         message AS (
           SELECT project_id, id, n, '{"n":' || n || ',"pad":"' AS opening FROM head, generate_series(tail - $3::int, tail - 1) n),
         body AS (
           SELECT project_id, id, n, convert_to(opening || repeat('.', greatest(0, $4::int - length(opening) - 2)) || '"}', 'UTF8') AS body
             FROM message)
         INSERT INTO log_segments (project_id, log_id, start, upto, lengths, body, created_at)
         SELECT project_id, id, n, n + 1, int4send(octet_length(body)), body, now() - make_interval(mins => $5::int) FROM body`,
        [key.project_id, key.path, count, bytes, minutesAgo],
      );
    },

    /** Everything from a position on, as a viewer gets it page by page. */
    async read(key: LogKey, from?: number): Promise<Buffer> {
      const head = await reader.head(key);
      const parts: Buffer[] = [];
      for (let at = from ?? head.first; at < head.tail;) {
        const page = await reader.page(head, at);
        if (page.from !== at || page.next <= at) throw new Error(`asked for ${at}, got ${page.from} to ${page.next}`);
        parts.push(pageBytes(page));
        at = page.next;
      }
      return isJson(head) ? Buffer.from(`[${parts.join(',')}]`) : Buffer.concat(parts);
    },

    /** The `n` of what `scatter` wrote, or whatever JSON messages the log holds. */
    async messages(key: LogKey, from?: number): Promise<{ n: number }[]> {
      return JSON.parse((await this.read(key, from)).toString()) as { n: number }[];
    },

    async segments(key: LogKey): Promise<{ start: number; upto: number; bytes: number }[]> {
      return unitOfWork.query(
        `SELECT g.start, g.upto, octet_length(g.body) AS bytes FROM log_segments g JOIN log_streams s USING (project_id)
          WHERE s.project_id = $1 AND s.path = $2 AND g.log_id = s.id ORDER BY g.upto`,
        [key.project_id, key.path],
      );
    },

    async row<Row>(key: LogKey): Promise<Row> {
      return (await unitOfWork.queryOne<Row & object>(`SELECT * FROM log_streams WHERE project_id = $1 AND path = $2`, [
        key.project_id,
        key.path,
      ])) as Row;
    },

    /** So that a test sees only what is its own. */
    async clear(): Promise<void> {
      await unitOfWork.query(`TRUNCATE log_streams, log_segments, log_producers, log_garbage`);
    },

    /** What deleting and trimming has to remove in the end. */
    async rowsLeft(): Promise<{ segments: number; producers: number; garbage: number }> {
      const row = await unitOfWork.queryOne<{ segments: number; producers: number; garbage: number }>(
        `SELECT (SELECT count(*) FROM log_segments) AS segments, (SELECT count(*) FROM log_producers) AS producers,
                (SELECT count(*) FROM log_garbage) AS garbage`,
      );
      return row!;
    },

    /**
     * Makes whoever removes or rewrites the segment that ends at `upto` wait, and tells how to let them go on. `blocked`
     * gives the process id of the backend that waits.
     */
    async holdSegment(key: LogKey, upto: number) {
      const hold = await begin();
      await hold.query(
        `SELECT g.upto FROM log_segments g JOIN log_streams s ON g.project_id = s.project_id AND g.log_id = s.id
          WHERE s.project_id = $1 AND s.path = $2 AND g.upto = $3 FOR UPDATE OF g`,
        [key.project_id, key.path, upto],
      );
      return { blocked: hold.blocked, release: () => hold.end('ROLLBACK') };
    },

    /** The same of a log's head, which is changed when it is let go. */
    async holdHead(key: LogKey, change: string) {
      const hold = await begin();
      await hold.query(`UPDATE log_streams SET ${change} WHERE project_id = $1 AND path = $2`, [
        key.project_id,
        key.path,
      ]);
      return { blocked: hold.blocked, commit: () => hold.end('COMMIT') };
    },
  };
}

export type Logs = Awaited<ReturnType<typeof startLogs>>;
