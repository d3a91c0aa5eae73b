import { execFile, spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { pathToFileURL } from 'node:url';
import { promisify } from 'node:util';
import { freePort } from '@holdfast/platform-embedded';
import { eventually } from './eventually.js';
import { testPostgres } from './test-postgres.js';

const run = promisify(execFile);
/** A loaded machine takes its time. */
const START_MS = 60_000;

const built = (file: string) => path.resolve(import.meta.dirname, '../../../apps/api/dist', file);

/** The built api as a process of its own, on a database and with blobs of its own, at a port that stays the same when it restarts. */
export async function startApi() {
  const postgres = await testPostgres();
  const port = await freePort();
  const url = `http://127.0.0.1:${port}`;
  const blobs = mkdtempSync(path.join(tmpdir(), 'holdfast-api-blobs-'));
  const env = {
    PATH: process.env['PATH'],
    DATABASE_URL: postgres.url,
    BLOBS_URL: pathToFileURL(blobs).href,
    PORT: String(port),
    LOG_LEVEL: 'error',
  };
  await run(process.execPath, [built('commands/migrate.js')], { env });
  const { stdout } = await run(process.execPath, [built('commands/bootstrap.js')], { env });
  const keys = JSON.parse(stdout) as { api_key: string; runner_key: string };
  let child: ChildProcess | undefined;

  async function start() {
    child = spawn(process.execPath, [built('main.js')], { env, stdio: ['ignore', 'inherit', 'inherit'] });
    const isReady = async () => {
      if (!(await fetch(`${url}/health/ready`)).ok) throw new Error('not ready');
    };
    await eventually(isReady, { timeout: START_MS });
  }

  /** SIGKILL: nobody gets to say goodbye. */
  async function kill() {
    if (!child || child.exitCode !== null || child.signalCode) return;
    const ended = once(child, 'exit');
    child.kill('SIGKILL');
    await ended;
  }

  await start();
  return {
    url,
    database_url: postgres.url,
    ...keys,
    start,
    kill,
    async stop() {
      await kill();
      await postgres.drop();
      rmSync(blobs, { recursive: true, force: true });
    },
  };
}

export type ApiProcess = Awaited<ReturnType<typeof startApi>>;
