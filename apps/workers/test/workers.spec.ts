import { spawn } from 'node:child_process';
import { randomUUID } from 'node:crypto';
import { once } from 'node:events';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { pathToFileURL } from 'node:url';
import { freePort } from '@holdfast/platform-embedded';
import { createDataSource, migrate } from '@holdfast/platform-postgres';
import { migrateQueues } from '@holdfast/platform-queue';
import { persistence } from '@holdfast/sessions';
import { eventually, testPostgres, type TestPostgres } from '@holdfast/testing';
import type { DataSource } from 'typeorm';

const program = path.resolve(__dirname, '../dist/main.js');
const blobs = mkdtempSync(path.join(tmpdir(), 'holdfast-workers-blobs-'));
afterAll(() => rmSync(blobs, { recursive: true, force: true }));
const session = { project_id: randomUUID(), session_id: 's1' };

/** Loaded before the program: makes it print every address that it listens on. */
const printListeners = `data:text/javascript,${encodeURIComponent(`
  import { Server } from 'node:net';
  const { listen } = Server.prototype;
  Server.prototype.listen = function (...to) {
    const printAddress = () => console.log('listens on ' + this.address().address + ':' + this.address().port);
    return listen.apply(this.once('listening', printAddress), to);
  };
`)}`;

function start(env: Record<string, string>) {
  const child = spawn(process.execPath, ['--import', printListeners, program], {
    env: { PATH: process.env['PATH'] ?? '', BLOBS_URL: pathToFileURL(blobs).href, ...env },
  });
  let output = '';
  child.stdout.on('data', (chunk) => (output += chunk));
  child.stderr.on('data', (chunk) => (output += chunk));
  started.push(child);
  return {
    exited: once(child, 'exit'),
    output: () => output,
    terminate: () => child.kill('SIGTERM'),
    ready: () => eventually(() => expect(output).toContain('workers ready'), { timeout: 20_000 }),
    listeners: () => [...output.matchAll(/^listens on (\S+)$/gm)].map(([, address]) => address),
  };
}

async function ask(port: number, at: string): Promise<{ status: number; text: string }> {
  const response = await fetch(`http://127.0.0.1:${port}${at}`, {
    headers: { connection: 'close' },
    signal: AbortSignal.timeout(5_000),
  });
  return { status: response.status, text: await response.text() };
}

/** Resolves when somebody has waited for a lock on this table. */
async function blockedOn(table: string): Promise<void> {
  await eventually(async () => {
    const waiting = await client.query(`SELECT 1 FROM pg_locks WHERE NOT granted AND relation = $1::regclass`, [table]);
    expect(waiting).not.toEqual([]);
  });
}

/** Leaves a job for the workers, and tells when it is done. */
async function leaveJob(): Promise<() => Promise<void>> {
  const id = randomUUID();
  await client.query(
    `INSERT INTO outbox (project_id, id, queue, job, payload)
     VALUES ($1, $2, 'session-transcripts', 'project-session-transcript', $3)`,
    [session.project_id, id, { session_id: session.session_id }],
  );
  return async () => {
    const [row] = await client.query(`SELECT done_at FROM outbox WHERE id = $1`, [id]);
    expect(row).toEqual({ done_at: expect.any(Date) });
  };
}

let database: TestPostgres;
let client: DataSource;
let started: ReturnType<typeof spawn>[];

beforeEach(async () => {
  started = [];
  database = await testPostgres();
  const config = { url: database.url, poolSize: 2, applicationName: 'test' };
  await migrate(config, persistence);
  await migrateQueues(database.url);
  client = await createDataSource(config, []).initialize();
  await client.query(
    `INSERT INTO log_streams (project_id, path, generation, content_type, projected) VALUES ($1, $2, 1, 'application/json', 0)`,
    [session.project_id, `sessions/${session.session_id}/events`],
  );
});
afterEach(async () => {
  for (const child of started) child.kill('SIGKILL');
  await client.destroy();
  await database.drop();
});

describe('the workers process', () => {
  it('names every variable that is wrong, and ends', async () => {
    const { exited, output } = start({
      DATABASE_URL: 'mysql://x',
      POSTGRES_POOL_SIZE: '1',
      HEALTH_PORT: '70000',
      LOG_RETENTION_DAYS: '0',
      BLOBS_URL: '/var/lib',
    });
    expect((await exited)[0]).toBe(1);
    expect(output()).toMatch(
      /HEALTH_PORT[^]*LOG_RETENTION_DAYS[^]*DATABASE_URL must be a postgres:\/\/ URL[^]*POSTGRES_POOL_SIZE[^]*BLOBS_URL must be file:/,
    );
  });

  it('says when it is ready, listens on nothing, and ends cleanly when it is asked to', async () => {
    const workers = start({ DATABASE_URL: database.url });
    await workers.ready();
    expect(workers.listeners()).toEqual([]);
    workers.terminate();
    expect(await workers.exited).toEqual([null, 'SIGTERM']);
    expect(workers.output()).not.toMatch(/error/i);
  });
});

describe('the workers process with HEALTH_PORT', () => {
  let port: number;
  let workers: ReturnType<typeof start>;

  beforeEach(async () => {
    port = await freePort();
    workers = start({ DATABASE_URL: database.url, HEALTH_PORT: String(port) });
    await workers.ready();
  });

  it('answers probes and metrics there, and nothing else', async () => {
    expect(workers.listeners()).toEqual([`127.0.0.1:${port}`]);
    expect(await ask(port, '/health/live')).toEqual({ status: 200, text: '{"status":"ok"}' });
    expect(await ask(port, '/health/ready')).toEqual({
      status: 200,
      text: '{"status":"ok","checks":{"database":"up","blobs":"up"}}',
    });
    for (const other of ['/', '/v1/sessions/s1', '/openapi.json']) expect((await ask(port, other)).status).toBe(404);
  });

  it('exposes the outbox and the jobs to Prometheus', async () => {
    await eventually(await leaveJob());
    await eventually(async () => {
      const { status, text } = await ask(port, '/metrics');
      expect(status).toBe(200);
      expect(text).toMatch(/^holdfast_outbox_waiting\{app="workers"\} 0$/m);
      expect(text).toMatch(
        /^holdfast_job_seconds_count\{app="workers",job="project-session-transcript",outcome="handled"\} 1$/m,
      );
    });
  });

  it('is not ready while PostgreSQL is gone, and lives on', async () => {
    // A job that was done shows that the queue's own connections are up: a start without a database is another matter.
    await eventually(await leaveJob());
    await database.drop();
    await eventually(async () => {
      const { status, text } = await ask(port, '/health/ready');
      expect(status).toBe(503);
      expect(JSON.parse(text)).toMatchObject({ code: 'not_ready', checks: { database: 'down' } });
    });
    expect((await ask(port, '/health/live')).status).toBe(200);
  });

  it('is not ready once it is asked to end, finishes the job in hand, then ends', async () => {
    const lock = client.createQueryRunner();
    await lock.startTransaction();
    await lock.query('LOCK TABLE session_transcripts IN ACCESS EXCLUSIVE MODE');
    const jobIsDone = await leaveJob();
    await blockedOn('session_transcripts');

    workers.terminate();
    await eventually(async () => {
      const { status, text } = await ask(port, '/health/ready');
      expect(status).toBe(503);
      expect(JSON.parse(text)).toMatchObject({ checks: { process: 'draining' } });
    });
    await lock.commitTransaction();
    await lock.release();

    expect(await workers.exited).toEqual([null, 'SIGTERM']);
    await jobIsDone();
    expect(workers.output()).not.toMatch(/error/i);
  });
});

describe('the workers process with logs to look after', () => {
  /** A log of as many appends of one message each. */
  async function makeLog(path: string, segments: number, ageDays: number, expiresIn: string | null = null) {
    await client.query(
      `WITH log AS (
         INSERT INTO log_streams (project_id, path, generation, content_type, tail, loose_segments, scattered, expires_at)
         VALUES ($1, $2, 1, 'application/json', $3::int, $3::int, $3::int >= 64, now() + $5::interval)
         RETURNING project_id, id)
       INSERT INTO log_segments (project_id, log_id, start, upto, lengths, body, created_at)
       SELECT project_id, id, n - 1, n, int4send(2), '{}', now() - make_interval(days => $4::int)
         FROM log, generate_series(1, $3::int) n`,
      [session.project_id, path, segments, ageDays, expiresIn],
    );
  }

  const logsThere = async (): Promise<{ path: string; first: number; segments: number }[]> =>
    client.query(
      `SELECT s.path, s.first, (SELECT count(*) FROM log_segments g WHERE g.project_id = s.project_id AND g.log_id = s.id) AS segments
         FROM log_streams s WHERE path LIKE 'logs/%' ORDER BY path`,
    );

  it('compacts them, removes those whose time has passed, and trims what is older than LOG_RETENTION_DAYS', async () => {
    await makeLog('logs/expired', 10, 0, '-1 second');
    await makeLog('logs/long', 80, 0);
    await makeLog('logs/old', 10, 8);
    const port = await freePort();
    const workers = start({ DATABASE_URL: database.url, HEALTH_PORT: String(port), LOG_RETENTION_DAYS: '7' });
    await eventually(
      async () => {
        expect(await logsThere()).toEqual([
          { path: 'logs/long', first: 0, segments: 17 },
          { path: 'logs/old', first: 10, segments: 0 },
        ]);
        const [row] = await client.query(`SELECT count(*) AS segments FROM log_segments`);
        expect(row).toEqual({ segments: 17 });
      },
      { timeout: 20_000 },
    );
    await eventually(async () => {
      const { text } = await ask(port, '/metrics');
      expect(text).toMatch(/^holdfast_log_segments_merged_total\{app="workers"\} 64$/m);
      expect(text).toMatch(/^holdfast_logs_expired_total\{app="workers"\} 1$/m);
      expect(text).toMatch(/^holdfast_logs_trimmed_total\{app="workers"\} 1$/m);
      expect(text).toMatch(/^holdfast_log_rows_removed_total\{table="log_segments",app="workers"\} 20$/m);
    });
    expect(workers.output()).not.toMatch(/error/i);
  });
});

describe('the workers process without LOG_RETENTION_DAYS', () => {
  it('keeps messages for ever', async () => {
    await client.query(
      `INSERT INTO log_segments (project_id, log_id, start, upto, lengths, body, created_at)
       SELECT project_id, id, 0, 1, int4send(2), '{}', now() - interval '100 years' FROM log_streams`,
    );
    const workers = start({ DATABASE_URL: database.url });
    await workers.ready();
    workers.terminate();
    await workers.exited;
    expect(await client.query(`SELECT upto FROM log_segments`)).toEqual([{ upto: 1 }]);
  });
});

describe('the workers process with a deleted session to remove', () => {
  const count = async (table: string): Promise<number> =>
    (await client.query(`SELECT count(*)::int AS n FROM ${table} WHERE project_id = $1`, [session.project_id]))[0].n;

  async function leave(job: string, payload: object): Promise<void> {
    await client.query(
      `INSERT INTO outbox (project_id, id, queue, job, payload) VALUES ($1, $2, 'session-transcripts', $3, $4)`,
      [session.project_id, randomUUID(), job, payload],
    );
  }
  const allDone = async () =>
    expect(await client.query(`SELECT job FROM outbox WHERE done_at IS NULL AND job LIKE 'remove-%'`)).toEqual([]);

  it('goes on where one that was killed half way had come to, until nothing is left', async () => {
    const conversation_id = randomUUID();
    const key = [session.project_id, session.session_id];
    await client.query(
      `INSERT INTO session_records (project_id, session_id, generation, position, type, content, started_at, ended_at, last_position)
       SELECT $1, $2, 1, n, 'message', '{}', now(), now(), n FROM generate_series(1, 5000) n`,
      key,
    );
    await client.query(
      `INSERT INTO native_chunks (project_id, conversation_id, branch_id, name, mode, from_line, lines, bytes, digest, sha256, origin, added_version)
       SELECT $1, $2, $2, 'main.jsonl', 'lines', n, 1, 1, '', n::text, '{}', 1 FROM generate_series(1, 5000) n`,
      [session.project_id, conversation_id],
    );
    await client.query(
      `INSERT INTO native_blobs (project_id, sha256, bytes, is_kept) SELECT $1, n::text, 1, true FROM generate_series(1, 5000) n`,
      [session.project_id],
    );

    // Some of the records and chunks stay where they are for as long as this holds them.
    const lock = client.createQueryRunner();
    await lock.startTransaction();
    for (const table of ['session_records', 'native_chunks']) {
      await lock.query(`SELECT FROM ${table} WHERE ctid IN (SELECT ctid FROM ${table} OFFSET 3500 LIMIT 1) FOR UPDATE`);
    }
    const killed = start({ DATABASE_URL: database.url });
    await killed.ready();
    await leave('remove-session-records', { session_id: session.session_id, generation: 1 });
    await leave('remove-native-conversations', { conversation_ids: [conversation_id] });
    await eventually(
      async () => expect(Math.min(await count('session_records'), await count('native_chunks'))).toBeLessThan(5000),
      {
        timeout: 20_000,
      },
    );
    for (const child of started) child.kill('SIGKILL');
    await killed.exited;
    await lock.commitTransaction();
    await lock.release();
    expect((await count('session_records')) + (await count('native_chunks'))).toBeGreaterThan(0);

    await client.query(`UPDATE outbox SET retry_at = now()`);
    const next = start({ DATABASE_URL: database.url });
    await next.ready();
    await eventually(allDone, { timeout: 20_000 });
    expect(await Promise.all(['session_records', 'native_chunks'].map(count))).toEqual([0, 0]);
    expect(await client.query(`SELECT count(*)::int AS n FROM native_blobs WHERE is_kept`)).toEqual([{ n: 0 }]);
    expect(next.output()).not.toMatch(/error/i);
  }, 60_000);

  it('has done what was still to be projected of it', async () => {
    await client.query(`DELETE FROM log_streams`);
    const jobIsDone = await leaveJob();
    const workers = start({ DATABASE_URL: database.url });
    await workers.ready();
    await eventually(jobIsDone, { timeout: 20_000 });
    expect(workers.output()).not.toMatch(/error/i);
  });
});
