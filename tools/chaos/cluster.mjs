import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { runCommand } from '../start/run-command.mjs';
import { root } from '../start/workspace.mjs';
import { endWithThisProcess } from '../test-services.mjs';
import { apiPool } from './api-pool.mjs';
import { newGate, startForwarder } from './forwarder.mjs';
import { appMember, serverMember } from './member.mjs';

/** Times of turns and leases, in seconds: short, so that there is something to see within a minute. */
export const TIMES = { LEASE_SECONDS: 10, BEAT_SECONDS: 1, WATCHDOG_SECONDS: 5, STOPPING_SECONDS: 3 };

const COUNTS = { apis: 2, workers: 2, runners: 3 };
const TURNS_OF_A_RUNNER = 8;

const built = (file) => join(root, 'apps', file);

/**
 * Starts everything in `folder`. `undo` takes what stops it again; `onSurprise` hears of what ended by itself; `onAppend`
 * of each append of a runner that was acknowledged to it. Gives the members of each kind, the runners and the service that
 * turns are pushed to with a `gate` each, the URL of all apis together, and the keys.
 */
export async function startCluster({ folder, turnsOfProject, undo, signal, onSurprise, onAppend }) {
  const { findRedisServer, freePort, startPostgres, startRedis } = await import('@holdfast/platform-embedded');
  if (!findRedisServer()) throw new Error('no redis-server was found; install one, or put it in the PATH');
  const keep = async (member) => {
    undo.push(() => member.stop());
    await member.start(signal);
    return member;
  };

  let release = () => undefined;
  undo.push(() => release());
  const postgres = await keep(
    serverMember({
      name: 'postgres',
      async start(port) {
        const server = await startPostgres({ dataDir: join(folder, 'postgres'), port, durable: false });
        release();
        release = endWithThisProcess(server, folder);
        return server;
      },
    }),
  );
  const redis = await keep(
    serverMember({ name: 'redis', start: (port) => startRedis({ dir: join(folder, 'redis'), port }) }),
  );

  const env = {
    PATH: process.env.PATH,
    HOME: folder,
    DATABASE_URL: postgres.url,
    BLOBS_URL: pathToFileURL(join(folder, 'blobs')).href,
    REDIS_URL: redis.url,
    LOG_LEVEL: 'info',
    RATE_LIMIT_PER_MINUTE: '1000000000',
    MAX_LIVE_TURNS_PER_PROJECT: String(turnsOfProject),
    PUSH_ALLOW_PRIVATE: 'true',
    ...Object.fromEntries(Object.entries(TIMES).map(([name, value]) => [name, String(value)])),
  };
  await runCommand(process.execPath, [built('api/dist/commands/migrate.js')], { env, signal });
  const printed = await runCommand(process.execPath, [built('api/dist/commands/bootstrap.js')], { env, signal });
  const { project_id, api_key, runner_key } = JSON.parse(printed.trim().split('\n').at(-1));

  const app = (name, script, extra, cwd, isReady) =>
    keep(
      appMember({
        name,
        script,
        env: { ...env, ...extra },
        cwd,
        logFile: join(folder, `${name}.log`),
        isReady,
        onSurprise,
      }),
    );
  const saysReady = (output) => / ready/.test(output());

  const ports = await Promise.all(Array.from({ length: COUNTS.apis }, () => freePort()));
  const pool = apiPool(ports);
  undo.push(() => pool.stop());
  const front = await startForwarder({ apis: pool });
  undo.push(() => front.close());

  const startApi = (port, n) =>
    app(`api-${n + 1}`, built('api/dist/main.js'), { PORT: String(port), HOST: '127.0.0.1' }, folder, () =>
      answersReady(port),
    );
  const startWorkers = (name) => app(name, built('workers/dist/main.js'), {}, folder, saysReady);
  /** A way to the apis that can be cut. */
  const newLink = async () => {
    const gate = newGate();
    const link = await startForwarder({ apis: pool, gate, onAppend });
    undo.push(() => {
      gate.open();
      return link.close();
    });
    return { gate, url: link.url };
  };
  const startService = async (name, port) => {
    const { gate, url } = await newLink();
    const own = { HOLDFAST_URL: url, PORT: String(port), DATABASE_URL: '', REDIS_URL: '' };
    const service = await app(name, built('push-reference/dist/main.js'), own, folder, saysReady);
    return Object.assign(service, { gate, url: `http://127.0.0.1:${port}/` });
  };
  const startRunner = async (name) => {
    const { gate, url } = await newLink();
    // Below a folder that nothing else works in: so agents are recognised.
    const cwd = join(folder, 'agents', name);
    mkdirSync(cwd, { recursive: true });
    const own = {
      HOLDFAST_URL: url,
      HOLDFAST_RUNNER_KEY: runner_key,
      HOLDFAST_RUNNER_DIR: cwd,
      HOLDFAST_CAPACITY: String(TURNS_OF_A_RUNNER),
      DATABASE_URL: '',
      REDIS_URL: '',
    };
    return Object.assign(await app(name, built('runner/dist/main.js'), own, cwd, saysReady), { gate });
  };
  const [apis, workers, runners, service] = await Promise.all([
    Promise.all(ports.map(startApi)),
    Promise.all(named('workers', COUNTS.workers).map(startWorkers)),
    Promise.all(named('runner', COUNTS.runners).map(startRunner)),
    startService('service', await freePort()),
  ]);
  return {
    url: front.url,
    project_id,
    api_key,
    databaseUrl: postgres.url,
    agentsFolder: join(folder, 'agents'),
    postgres,
    redis,
    apis,
    workers,
    runners,
    service,
    // Without the service: it has no other that it could hand its turns to.
    members: [postgres, redis, ...apis, ...workers, ...runners],
  };
}

const named = (kind, count) => Array.from({ length: count }, (_, n) => `${kind}-${n + 1}`);

async function answersReady(port) {
  const options = { signal: AbortSignal.timeout(2_000) };
  const response = await fetch(`http://127.0.0.1:${port}/health/ready`, options).catch(() => undefined);
  return response?.ok ?? false;
}
