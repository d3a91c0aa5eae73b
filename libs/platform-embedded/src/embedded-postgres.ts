import { readFileSync, writeFileSync } from 'node:fs';
import { setTimeout as sleep } from 'node:timers/promises';
import { freePort } from './free-port.js';
import { postgresBinaries, type PostgresBinaries } from './postgres-binaries.js';
import { ensureCluster } from './postgres-cluster.js';
import { openPostgresHome, type PostgresHome } from './postgres-home.js';
import { clearLeftBehind, readPostmaster } from './postmaster.js';
import { ServerProcess, type EmbeddedServer } from './server-process.js';

/** What `startPostgres` takes. */
export interface PostgresOptions {
  /** Holds data, password and log; made when missing. */
  dataDir: string;
  /** A free one by default. */
  port?: number;
  /** False gives up safety against a crash of the machine (not of PostgreSQL) for speed: for tests. */
  durable?: boolean;
  /** Takes a sentence about something the user should know, for example that data lies in another folder. */
  onNotice?: (message: string) => void;
}

const READY_TIMEOUT_MS = 60_000;
const FAST_STOP_MS = 15_000;
const ORPHANS_END_MS = 15_000;
const MAX_CONNECTIONS = 200;

/** A machine's crash may damage the data; what PostgreSQL has written before its own crash is safe. */
const NOT_DURABLE = ['-c', 'fsync=off', '-c', 'full_page_writes=off'];

/**
 * Starts a private PostgreSQL on 127.0.0.1 from the binaries that npm carries, and resolves when it takes connections.
 * Every failure is an Error with one message for the user.
 */
export async function startPostgres(options: PostgresOptions): Promise<EmbeddedServer> {
  const { dataDir, durable = true, onNotice = () => undefined } = options;
  const home = openPostgresHome(dataDir, onNotice);
  const binaries = await postgresBinaries(home.user);
  await ensureCluster(home, binaries, durable);
  await clearLeftBehind(home, onNotice);
  writeFileSync(home.supervisorFile, String(process.pid));

  const { server, port } = await startReady(home, binaries, options.port, durable);
  const password = readFileSync(home.passwordFile, 'utf8');
  return {
    url: `postgres://postgres:${password}@127.0.0.1:${port}/postgres`,
    port,
    pid: server.pid,
    stop: () => server.end('SIGINT', FAST_STOP_MS),
    kill: () => server.kill(),
    onUnexpectedExit: (listener) => server.onUnexpectedExit(listener),
  };
}

async function startReady(
  home: PostgresHome,
  binaries: PostgresBinaries,
  fixedPort: number | undefined,
  durable: boolean,
) {
  const deadline = Date.now() + ORPHANS_END_MS;
  for (;;) {
    const port = fixedPort ?? (await freePort());
    const server = spawnServer(home, binaries, port, durable);
    const isReady = () => {
      const postmaster = readPostmaster(home.cluster);
      return postmaster?.pid === server.pid && postmaster.isReady;
    };
    if (await server.isReady(isReady, READY_TIMEOUT_MS)) return { server, port };

    const output = server.output();
    const portIsTaken = output.includes('could not bind');
    // The backends of a killed server hold its shared memory until each notices that it is gone.
    const isHeld = output.includes('pre-existing shared memory block');
    const mayRetry = isHeld || (portIsTaken && fixedPort === undefined);
    if (!mayRetry || Date.now() > deadline) {
      throw new Error(portIsTaken ? `port ${port} for PostgreSQL is taken` : `PostgreSQL does not start: ${output}`);
    }
    await sleep(100);
  }
}

function spawnServer(
  home: PostgresHome,
  { postgres }: PostgresBinaries,
  port: number,
  durable: boolean,
): ServerProcess {
  const settings = [
    `port=${port}`,
    'listen_addresses=127.0.0.1',
    'unix_socket_directories=',
    `max_connections=${MAX_CONNECTIONS}`,
    'log_min_messages=warning',
  ].flatMap((setting) => ['-c', setting]);
  const args = ['-D', home.cluster, ...settings, ...(durable ? [] : NOT_DURABLE)];
  // An empty environment: PGPORT, PGTZ and the like of the user's shell mean another server.
  return new ServerProcess(postgres, args, home.logFile, { user: home.user, env: { LC_ALL: 'C' } });
}
