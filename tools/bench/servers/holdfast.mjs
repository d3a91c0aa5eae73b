import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { runCommand } from '../../start/run-command.mjs';
import { freezeBuild } from './frozen-build.mjs';
import { startServerProcess } from './server-process.mjs';

const profiler = new URL('profiler.mjs', import.meta.url).href;

/**
 * One api process from its build, as in production, on a migrated PostgreSQL and on Redis. Only the limits of a key
 * and of a project are moved out of the way: one makes all the load. The log stays in PostgreSQL when it is started again.
 * Workers only where a row starts them: they end with the api.
 */
export async function holdfast({ folder, postgres, redis, isProfiled }) {
  const { freePort } = await import('@holdfast/platform-embedded');
  const folders = freezeBuild(join(folder, 'build'));
  const built = (file) => join(folders.api, 'dist', file);
  const logFile = join(folder, 'api.log');
  const port = await freePort();
  const env = {
    PATH: process.env.PATH,
    HOME: folder,
    NODE_ENV: 'production',
    DATABASE_URL: postgres.url,
    BLOBS_URL: pathToFileURL(join(folder, 'blobs')).href,
    REDIS_URL: redis.url,
    HOST: '127.0.0.1',
    PORT: String(port),
    LOG_LEVEL: 'info',
    RATE_LIMIT_PER_MINUTE: '1000000000',
    MAX_LIVE_TURNS_PER_PROJECT: '20000',
  };
  await runCommand(process.execPath, [built('commands/migrate.js')], { env });
  const printed = await runCommand(process.execPath, [built('commands/bootstrap.js')], { env });
  const { api_key, runner_key } = JSON.parse(printed.trim().split('\n').at(-1));

  let api;
  let workers;
  return {
    name: 'holdfast',
    connection: { port, authorization: `Bearer ${api_key}`, runnerAuthorization: `Bearer ${runner_key}` },
    databaseUrl: postgres.url,
    processes: () => ({
      api: [api.pid],
      ...(workers && { workers: [workers.pid] }),
      postgres: [postgres.pid],
      redis: [redis.pid],
    }),
    async start() {
      api = await startServerProcess({
        name: 'the api',
        script: built('main.js'),
        env,
        nodeArguments: ['--enable-source-maps', ...(isProfiled ? ['--import', profiler] : [])],
        logFile,
        isReady: () => answersReady(`http://127.0.0.1:${port}`),
      });
    },
    async startWorkers() {
      const healthPort = await freePort();
      workers = await startServerProcess({
        name: 'the workers',
        script: join(folders.workers, 'dist', 'main.js'),
        env: { ...env, HEALTH_PORT: String(healthPort) },
        nodeArguments: ['--enable-source-maps'],
        logFile,
        isReady: () => answersReady(`http://127.0.0.1:${healthPort}`),
      });
    },
    async stop() {
      await Promise.all([workers?.stop(), api?.stop()]);
      workers = undefined;
    },
    logFile,
    /** Starts and ends a profile of the api's processor time; the second resolves to it (Chrome's .cpuprofile). */
    startProfile: () => api.ask({ profile: 'start' }),
    endProfile: async () => (await api.ask({ profile: 'end' })).profile,
  };
}

async function answersReady(url) {
  const response = await fetch(`${url}/health/ready`, { signal: AbortSignal.timeout(5_000) }).catch(() => undefined);
  return response?.ok ?? false;
}
