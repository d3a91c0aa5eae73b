import { execFile, spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { chmodSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { pathToFileURL } from 'node:url';
import { promisify } from 'node:util';
import { HoldfastClient } from '@holdfast/client';
import { freePort, startPostgres, startRedis, type EmbeddedServer } from '@holdfast/platform-embedded';
import { eventually } from '@holdfast/testing';
import { startRoundRobinProxy } from './round-robin-proxy.js';

const run = promisify(execFile);
const root = path.resolve(import.meta.dirname, '../../..');
const built = (file: string) => path.join(root, 'apps', file);

/** A process of ours that tests may kill and start again. */
export interface Service {
  start(): Promise<void>;
  /** SIGKILL: nothing gets a chance to say goodbye. */
  kill(): Promise<void>;
  /** SIGTERM, and wait. */
  stop(): Promise<void>;
  output(): string;
  readonly pid: number | undefined;
}

export interface StackOptions {
  redis?: boolean;
  /** How many api processes share the database. With more than one, requests to `url` go to each in turn. */
  apis?: number;
  /** False where nothing runs an agent. */
  runner?: boolean;
  /** Variables for all processes; times are short by default so that no test waits long. */
  env?: Record<string, string>;
}

/** The whole of Holdfast as deployed: its own processes, built, on private services. Stop it in `afterAll`. */
export async function startStack(options: StackOptions = {}) {
  const undo: (() => unknown)[] = [];
  const stop = async () => {
    for (const step of undo.splice(0).reverse()) await step();
  };
  try {
    return { ...(await start(options, undo)), stop };
  } catch (error) {
    await stop();
    throw error;
  }
}

async function start(
  { redis = false, apis: apiCount = 1, runner: hasRunner = true, env = {} }: StackOptions,
  undo: (() => unknown)[],
) {
  const folder = mkdtempSync(path.join(tmpdir(), 'holdfast-e2e-'));
  // PostgreSQL runs as another user where this one is root, and would keep its data elsewhere.
  chmodSync(folder, 0o755);
  undo.push(() => rmSync(folder, { recursive: true, force: true }));
  const dataDir = path.join(folder, 'postgres');
  let postgres = await startPostgres({ dataDir, durable: false });
  undo.push(() => postgres.stop());
  const redisServer = redis ? await startRedis({ dir: path.join(folder, 'redis') }) : undefined;
  undo.push(() => redisServer?.stop());
  const shared: Record<string, string> = {
    PATH: process.env['PATH'] ?? '',
    HOME: folder,
    DATABASE_URL: postgres.url,
    BLOBS_URL: pathToFileURL(path.join(folder, 'blobs')).href,
    LOG_LEVEL: 'info',
    LEASE_SECONDS: '4',
    BEAT_SECONDS: '0.5',
    WATCHDOG_SECONDS: '3',
    STOPPING_SECONDS: '2',
    ...(redisServer && { REDIS_URL: redisServer.url }),
    ...env,
  };
  await run(process.execPath, [built('api/dist/commands/migrate.js')], { env: shared });
  const bootstrap = async () => {
    const { stdout } = await run(process.execPath, [built('api/dist/commands/bootstrap.js')], { env: shared });
    return JSON.parse(stdout) as { project_id: string; api_key: string; runner_key: string };
  };
  const keys = await bootstrap();

  const apis: (Service & { url: string })[] = [];
  for (let n = 1; n <= apiCount; n++) {
    const api = await apiService(shared);
    undo.push(() => api.stop());
    await api.start();
    apis.push(api);
  }
  const proxy = apis.length > 1 ? await startRoundRobinProxy(apis.map((api) => api.url)) : undefined;
  undo.push(() => proxy?.close());
  const url = proxy?.url ?? apis[0]!.url;

  const runnerEnv = {
    ...shared,
    HOLDFAST_URL: url,
    HOLDFAST_RUNNER_KEY: keys.runner_key,
    HOLDFAST_RUNNER_DIR: path.join(folder, 'runner'),
  };

  const saysReady = (of: () => Service) => async () => {
    if (!/ready/.test(of().output())) throw new Error('not ready yet');
  };
  const workers: Service = service(
    'workers',
    built('workers/dist/main.js'),
    shared,
    saysReady(() => workers),
  );
  const runner: Service = service(
    'runner',
    built('runner/dist/main.js'),
    runnerEnv,
    saysReady(() => runner),
  );
  undo.push(() => Promise.all([runner.stop(), workers.stop()]));
  await Promise.all([workers.start(), hasRunner && runner.start()]);

  return {
    url,
    keys,
    folder,
    api: apis[0]!,
    /** All of them, each with a URL of its own. */
    apis,
    workers,
    runner,
    redis: redisServer,
    client: new HoldfastClient({ url, apiKey: keys.api_key }),
    /** A client with other credentials. */
    clientWith: (apiKey: string) => new HoldfastClient({ url, apiKey }),
    /** Another project, with keys of its own. */
    anotherProject: bootstrap,
    databaseUrl: () => postgres.url,
    /** Kills PostgreSQL and starts it again on its data. */
    async crashPostgres(): Promise<void> {
      const { port } = postgres;
      await killed(postgres);
      postgres = await startPostgres({ dataDir, port, durable: false });
    },
  };
}

export type Stack = Awaited<ReturnType<typeof startStack>>;

async function apiService(shared: Record<string, string>) {
  const port = await freePort();
  const url = `http://127.0.0.1:${port}`;
  const api = service('api', built('api/dist/main.js'), { ...shared, PORT: String(port) }, async () => {
    const response = await fetch(`${url}/health/ready`);
    if (!response.ok) throw new Error(`the api is not ready: ${response.status}`);
  });
  return Object.assign(api, { url });
}

async function killed(server: EmbeddedServer): Promise<void> {
  const gone = new Promise<void>((resolve) => server.onUnexpectedExit(() => resolve()));
  server.kill();
  await gone;
}

export function service(
  name: string,
  file: string,
  env: Record<string, string>,
  isReady: () => Promise<void>,
): Service {
  let child: ChildProcess | undefined;
  let output = '';
  const end = async (signal: NodeJS.Signals) => {
    if (!child || child.exitCode !== null || child.signalCode !== null) return;
    const exited = once(child, 'exit');
    child.kill(signal);
    await exited;
  };
  return {
    get pid() {
      return child?.pid;
    },
    output: () => output,
    kill: () => end('SIGKILL'),
    stop: () => end('SIGTERM'),
    async start() {
      output = '';
      const started = spawn(process.execPath, ['--enable-source-maps', file], {
        env,
        stdio: ['ignore', 'pipe', 'pipe'],
      });
      started.stdout.on('data', (chunk) => (output += chunk));
      started.stderr.on('data', (chunk) => (output += chunk));
      child = started;
      await eventually(
        async () => {
          if (started.exitCode !== null) throw new Error(`${name} ended with ${started.exitCode}:\n${output}`);
          await isReady();
        },
        { timeout: 60_000 },
      );
    },
  };
}
