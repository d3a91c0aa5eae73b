import { createServer } from 'node:net';
import { join, resolve } from 'node:path';
import { root } from './workspace.mjs';

export const HELP = `npm start brings Holdfast up on this machine: an embedded PostgreSQL, the api, the workers and a runner.
Ctrl-C stops them again. The data stays in .holdfast/ and is found by the next start.

Variables:
  HOLDFAST_PORT   port of the api on 127.0.0.1 (4300; 0 takes any free one)
  HOLDFAST_HOME   folder of the data and of endpoint.json (.holdfast)
  DATABASE_URL    an existing PostgreSQL instead of the embedded one
  BLOBS_URL       where blobs are kept: file:///folder or s3://bucket/prefix (blobs/ below HOLDFAST_HOME)
  REDIS_URL       a Redis for the job queue and the signals instead of PostgreSQL
  NO_COLOR        no colours
Further variables (LOG_LEVEL, HOLDFAST_POOLS, …) reach the apps as they are.`;

const DEFAULT_PORT = '4300';

export const home = resolve(root, process.env.HOLDFAST_HOME || '.holdfast');
export const endpointFile = join(home, 'endpoint.json');

/** The api's port, which is free at this moment. */
export async function choosePort() {
  const wanted = process.env.HOLDFAST_PORT || DEFAULT_PORT;
  const port = Number(wanted);
  if (!/^\d+$/.test(wanted) || port > 65_535) throw new Error(`HOLDFAST_PORT must be a port number, not "${wanted}".`);
  const server = createServer();
  return new Promise((resolve, reject) => {
    server.once('error', ({ code }) => {
      const reason = code === 'EADDRINUSE' ? 'is taken by another program' : `cannot be used (${code})`;
      reject(new Error(`Port ${port} ${reason}. Set HOLDFAST_PORT to a free one: HOLDFAST_PORT=${port + 1} npm start`));
    });
    server.listen(port, '127.0.0.1', () => {
      const chosen = server.address().port;
      server.close(() => resolve(chosen));
    });
  });
}
