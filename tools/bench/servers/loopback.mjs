import path from 'node:path';
import { scriptBeside, startServerProcess } from './server-process.mjs';

const script = scriptBeside(import.meta.url, 'loopback-process.mjs');

/** Bare node:http over the loopback: the limit that a Node server cannot pass. */
export function loopback(folder) {
  let child;
  const server = {
    name: 'loopback',
    connection: undefined,
    processes: () => ({ server: [child.pid] }),
    async start() {
      let port;
      child = await startServerProcess({
        name: 'loopback',
        script,
        env: { PATH: process.env.PATH, NODE_ENV: 'production' },
        logFile: path.join(folder, 'loopback.log'),
        isReady: (message) => (port = message?.port),
      });
      server.connection = { port };
    },
    stop: () => child?.stop(),
  };
  return server;
}
