// The private servers of a test run. Needs libs/platform-embedded to be built.
import { spawn } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { delimiter, join, resolve } from 'node:path';

/** Where tools/install-s3-server.mjs puts the server that npm has none of. */
const servers = resolve(import.meta.dirname, '../.servers');

/**
 * Puts the addresses of PostgreSQL and (where the servers are found) Redis and S3 into the environment, starting a private
 * one of each that the environment does not name yet. Resolves to what removes again what was made.
 */
export async function startTestServices() {
  const { findRedisServer, findS3Server, startPostgres, startRedis, startS3 } =
    await import('@holdfast/platform-embedded');
  const run = randomBytes(4).toString('hex');
  const undo = [];
  const stop = async () => {
    for (const step of undo.splice(0).reverse()) await step();
  };
  const keep = async (server, folder) => {
    const release = endWithThisProcess(server, folder);
    undo.push(async () => {
      release();
      await server.stop();
      rmSync(folder, { recursive: true, force: true });
    });
    return server.url;
  };
  try {
    if (!process.env.HOLDFAST_TEST_POSTGRES_URL) {
      // Not inside a folder of mkdtemp (mode 700): PostgreSQL's user must reach it.
      const dataDir = join(tmpdir(), `holdfast-test-${run}-postgres`);
      process.env.HOLDFAST_TEST_POSTGRES_URL = await keep(await startPostgres({ dataDir, durable: false }), dataDir);
    } else if (!process.env.HOLDFAST_TEST_RUN) {
      undo.push(() => dropDatabases(process.env.HOLDFAST_TEST_POSTGRES_URL, run));
    }
    process.env.HOLDFAST_TEST_RUN ??= run;

    if (!process.env.HOLDFAST_TEST_REDIS_URL && findRedisServer()) {
      const dir = join(tmpdir(), `holdfast-test-${run}-redis`);
      process.env.HOLDFAST_TEST_REDIS_URL = await keep(await startRedis({ dir }), dir);
    }

    process.env.PATH += delimiter + servers;
    if (!process.env.HOLDFAST_TEST_S3_URL && findS3Server()) {
      const dir = join(tmpdir(), `holdfast-test-${run}-s3`);
      const s3 = await startS3({ dir });
      // As a URL has them: http://KEY:SECRET@127.0.0.1:PORT.
      const account = `${s3.accessKeyId}:${s3.secretAccessKey}`;
      process.env.HOLDFAST_TEST_S3_URL = (await keep(s3, dir)).replace('//', `//${account}@`);
    }
    return stop;
  } catch (error) {
    await stop();
    throw error;
  }
}

/** A killed test run must leave no server behind: its end closes the pipe that this shell reads. Gives what calls it off. */
export function endWithThisProcess({ pid }, folder) {
  const script = 'cat; kill -QUIT "$1"; sleep 1; rm -rf "$2"';
  const options = { stdio: ['pipe', 'ignore', 'ignore'], detached: true };
  const guard = spawn('sh', ['-c', script, 'sh', String(pid), folder], options);
  guard.unref();
  guard.stdin.unref();
  return () => guard.kill('SIGKILL');
}

/** A server that was there before must not keep what this run made in it. */
async function dropDatabases(url, run) {
  const { default: pg } = await import('pg');
  const admin = new pg.Client(url);
  await admin.connect();
  const { rows } = await admin.query('SELECT datname FROM pg_database WHERE datname ~ $1', [
    `^(test|template)_${run}_`,
  ]);
  for (const { datname } of rows) await admin.query(`DROP DATABASE IF EXISTS ${datname} WITH (FORCE)`);
  await admin.end();
}
