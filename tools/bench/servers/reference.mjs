import { mkdirSync, rmSync } from 'node:fs';
import path from 'node:path';
import { scriptBeside, startServerProcess } from './server-process.mjs';

const script = scriptBeside(import.meta.url, 'reference-process.mjs');

/** `@durable-streams/server`, in memory. Every start begins empty. */
export function referenceInMemory(folder) {
  return reference('reference-memory', folder);
}

/** `@durable-streams/server` with its files on the disk that PostgreSQL uses too. Every start begins empty. */
export function referenceOnFiles(folder) {
  return reference('reference-file', folder, path.join(folder, 'reference-file'));
}

function reference(name, folder, dataDir) {
  let child;
  const server = {
    name,
    connection: undefined,
    processes: () => ({ server: [child.pid] }),
    async start() {
      if (dataDir) mkdirSync(dataDir, { recursive: true });
      let port;
      child = await startServerProcess({
        name,
        script,
        args: dataDir ? [dataDir] : [],
        env: { PATH: process.env.PATH, NODE_ENV: 'production' },
        logFile: path.join(folder, `${name}.log`),
        isReady: (message) => (port = message?.port),
      });
      server.connection = { port };
    },
    async stop() {
      await child?.stop();
      if (dataDir) rmSync(dataDir, { recursive: true, force: true });
    },
  };
  return server;
}
