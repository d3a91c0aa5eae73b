import { spawnSync } from 'node:child_process';
import { mkdirSync } from 'node:fs';
import { connect } from 'node:net';
import { join, resolve } from 'node:path';
import { freePort } from './free-port.js';
import { ServerProcess, type EmbeddedServer } from './server-process.js';

const READY_TIMEOUT_MS = 10_000;
const STOP_MS = 5_000;
const DATABASES = 512;

/** The command of an installed Redis server, or undefined. npm carries none. */
export function findRedisServer(): string | undefined {
  return ['redis-server', 'valkey-server'].find((name) => spawnSync(name, ['--version']).status === 0);
}

/** Starts a private Redis on 127.0.0.1 that keeps nothing on disk, with 512 logical databases. */
export async function startRedis({ dir, port }: { dir: string; port?: number }): Promise<EmbeddedServer> {
  const command = findRedisServer();
  if (!command) throw new Error('no redis-server found on this machine');
  const folder = resolve(dir);
  mkdirSync(folder, { recursive: true });
  const chosen = port ?? (await freePort());
  const address = ['--bind', '127.0.0.1', '--port', String(chosen)];
  const memoryOnly = ['--save', '', '--appendonly', 'no', '--maxmemory-policy', 'noeviction'];
  const args = [...address, ...memoryOnly, '--dir', folder, '--databases', String(DATABASES), '--daemonize', 'no'];
  const server = new ServerProcess(command, args, join(folder, 'redis.log'));
  if (!(await server.isReady(() => answersAs(server.pid, chosen), READY_TIMEOUT_MS))) {
    throw new Error(`Redis does not start: ${server.output()}`);
  }
  return {
    url: `redis://127.0.0.1:${chosen}`,
    port: chosen,
    pid: server.pid,
    stop: () => server.end('SIGTERM', STOP_MS),
    kill: () => server.kill(),
    onUnexpectedExit: (listener) => server.onUnexpectedExit(listener),
  };
}

/** Whether the server on this port is that process: another Redis may have the port. */
function answersAs(pid: number, port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect(port, '127.0.0.1', () => socket.write('INFO server\r\n'));
    socket.once('data', (data) => {
      resolve(data.toString().includes(`process_id:${pid}\r`));
      socket.destroy();
    });
    socket.once('error', () => resolve(false));
    socket.once('close', () => resolve(false));
  });
}
