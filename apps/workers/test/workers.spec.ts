import { spawn } from 'node:child_process';
import { randomUUID } from 'node:crypto';
import { once } from 'node:events';
import path from 'node:path';
import { freePort } from '@holdfast/platform-embedded';
import { createDataSource, migrate } from '@holdfast/platform-postgres';
import { migrateQueues } from '@holdfast/platform-queue';
import { persistence } from '@holdfast/sessions';
import { eventually, testPostgres, type TestPostgres } from '@holdfast/testing';
import type { DataSource } from 'typeorm';

const program = path.resolve(__dirname, '../dist/main.js');
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
    env: { PATH: process.env['PATH'] ?? '', ...env },
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
  await client.query(`INSERT INTO log_streams (project_id, path, generation, projected) VALUES ($1, $2, 1, 0)`, [
    session.project_id,
    `sessions/${session.session_id}/events`,
  ]);
});
afterEach(async () => {
  for (const child of started) child.kill('SIGKILL');
  await client.destroy();
  await database.drop();
});

describe('the workers process', () => {
  it('names every variable that is wrong, and ends', async () => {
    const { exited, output } = start({ DATABASE_URL: 'mysql://x', POSTGRES_POOL_SIZE: '1', HEALTH_PORT: '70000' });
    expect((await exited)[0]).toBe(1);
    expect(output()).toMatch(/HEALTH_PORT[^]*DATABASE_URL must be a postgres:\/\/ URL[^]*POSTGRES_POOL_SIZE/);
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
      text: '{"status":"ok","checks":{"database":"up"}}',
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
