import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { chmodSync, existsSync, mkdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { randomBytes } from 'node:crypto';
import pg from 'pg';
import { startPostgres, type PostgresOptions } from '../src/embedded-postgres.js';
import type { EmbeddedServer } from '../src/server-process.js';

const folder = join(tmpdir(), `holdfast-embedded-${randomBytes(4).toString('hex')}`);
const running: EmbeddedServer[] = [];
const notices: string[] = [];

async function start(options: Partial<PostgresOptions> = {}): Promise<EmbeddedServer> {
  const onNotice = (message: string) => notices.push(message);
  const server = await startPostgres({ dataDir: join(folder, 'main'), durable: false, onNotice, ...options });
  running.push(server);
  return server;
}

async function query(url: string, sql: string): Promise<unknown[]> {
  const client = new pg.Client(url);
  await client.connect();
  return client
    .query(sql)
    .then(({ rows }) => rows)
    .finally(() => client.end());
}

afterEach(async () => {
  await Promise.all(running.splice(0).map((server) => server.stop()));
  notices.length = 0;
});

afterAll(() => rmSync(folder, { recursive: true, force: true }));

test('finds its data again after a stop', async () => {
  const first = await start();
  await query(first.url, `CREATE TABLE stops (note text); INSERT INTO stops VALUES ('before')`);
  await first.stop();
  const second = await start();
  expect(await query(second.url, 'SELECT note FROM stops')).toEqual([{ note: 'before' }]);
});

test('killed in the middle of work, it starts again on the same folder and port with every committed row', async () => {
  const first = await start();
  await query(first.url, 'CREATE TABLE crashes (id integer)');
  const client = new pg.Client(first.url);
  client.on('error', () => undefined);
  await client.connect();
  await client.query('INSERT INTO crashes VALUES (1)');
  await client.query('BEGIN; INSERT INTO crashes VALUES (2)');
  await first.kill();

  const second = await start({ port: first.port });
  expect(second.port).toBe(first.port);
  expect(await query(second.url, 'SELECT id FROM crashes')).toEqual([{ id: 1 }]);
});

test('tells how it ended, unless it was stopped', async () => {
  const server = await start();
  const ended = new Promise((resolve) => server.onUnexpectedExit(resolve));
  process.kill(server.pid, 'SIGKILL');
  expect(await ended).toBe('signal SIGKILL');

  const quiet = await start();
  const heard = jest.fn();
  quiet.onUnexpectedExit(heard);
  await quiet.stop();
  expect(heard).not.toHaveBeenCalled();
});

test('asks for the password that it made', async () => {
  const server = await start();
  const url = new URL(server.url);
  url.password = 'guess';
  await expect(query(url.href, 'SELECT 1')).rejects.toMatchObject({ code: '28P01' });
});

test('a data folder in use is refused, and the running server is left alone', async () => {
  const server = await start();
  await expect(start()).rejects.toThrow(
    `is in use: process ${process.pid} runs PostgreSQL on it (process ${server.pid})`,
  );
  expect(await query(server.url, 'SELECT 1 AS one')).toEqual([{ one: 1 }]);
});

test('the server that a killed supervisor left behind is stopped', async () => {
  const program = `
    const { startPostgres } = await import('@holdfast/platform-embedded');
    const { pid } = await startPostgres({ dataDir: process.argv[1], durable: false });
    process.stdout.write(String(pid), () => process.kill(process.pid, 'SIGKILL'));`;
  const supervisor = spawn(process.execPath, ['--input-type=module', '-e', program, join(folder, 'main')], {
    cwd: __dirname,
  });
  let output = '';
  supervisor.stdout.on('data', (chunk) => (output += chunk));
  await once(supervisor, 'close');

  const server = await start();
  expect(notices).toEqual([`stopping PostgreSQL (process ${output}), which an earlier run left behind`]);
  expect(await query(server.url, 'SELECT 1 AS one')).toEqual([{ one: 1 }]);
});

test('a lock file whose process id another program got by now is no obstacle', async () => {
  const first = await start();
  await first.stop();
  const lockFile = join(folder, 'main/cluster/postmaster.pid');
  const { uid, gid } = statSync(join(folder, 'main/cluster'));
  const sleeper = spawn('sleep', ['60'], process.getuid?.() === 0 ? { uid, gid, cwd: '/' } : {});
  try {
    writeFileSync(lockFile, `${sleeper.pid}\n${join(folder, 'main/cluster')}\n0\n0\n\n127.0.0.1\n0 0\nready\n`);
    const second = await start();
    expect(await query(second.url, 'SELECT 1 AS one')).toEqual([{ one: 1 }]);
  } finally {
    sleeper.kill();
  }
});

test('a cluster of another PostgreSQL version is refused with what to do', async () => {
  const dataDir = join(folder, 'old');
  mkdirSync(join(dataDir, 'cluster'), { recursive: true });
  writeFileSync(join(dataDir, 'cluster/PG_VERSION'), '12\n');
  await expect(start({ dataDir })).rejects.toThrow(
    /was made by PostgreSQL 12, and this is PostgreSQL \d+; move that folder/,
  );
});

test('a taken port is named', async () => {
  const holder = createServer().listen(0, '127.0.0.1');
  await once(holder, 'listening');
  const { port } = holder.address() as { port: number };
  await expect(start({ port })).rejects.toThrow(`port ${port} for PostgreSQL is taken`);
  holder.close();
});

const isRoot = process.getuid?.() === 0;

(isRoot ? test : test.skip)('as root, data under a folder that nobody can enter moves to one that it can', async () => {
  const dataDir = join(folder, 'private/postgres');
  mkdirSync(dataDir, { recursive: true });
  chmodSync(join(folder, 'private'), 0o700);
  const first = await start({ dataDir });
  const moved = readFileSync(join(dataDir, 'location'), 'utf8').trim();
  try {
    await query(first.url, 'CREATE TABLE moves (id integer)');
    expect(notices).toEqual([`PostgreSQL keeps its data in ${moved}: its user cannot reach ${dataDir}`]);
    await first.stop();

    const second = await start({ dataDir });
    expect(await query(second.url, 'SELECT count(*)::int AS moves FROM moves')).toEqual([{ moves: 0 }]);
    expect(existsSync(join(dataDir, 'cluster'))).toBe(false);
    await second.stop();

    rmSync(moved, { recursive: true });
    await expect(start({ dataDir })).rejects.toThrow(
      `the data folder ${moved} named by ${join(dataDir, 'location')} is gone`,
    );
  } finally {
    rmSync(moved, { recursive: true, force: true });
  }
});
