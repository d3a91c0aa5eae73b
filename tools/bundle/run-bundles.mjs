// node tools/bundle/run-bundles.mjs: what docker/compose.yml runs, without Docker. Bundles each app, runs the commands of
// docker/Dockerfile in the bundles (two api, two workers, a runner) on a private PostgreSQL and Redis behind nginx with
// docker/proxy/nginx.conf, and takes sessions through them, the second after one api and one worker were stopped.
// Build first; needs nginx and redis-server.
import { execFileSync } from 'node:child_process';
import { randomBytes, randomUUID } from 'node:crypto';
import { mkdirSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { pathToFileURL } from 'node:url';
import { HoldfastClient } from '@holdfast/client';
import { freePort, startPostgres, startRedis } from '@holdfast/platform-embedded';
import { readImage } from './dockerfile.mjs';
import { startProxy } from './proxy.mjs';
import { startService } from './service.mjs';
import { runSession } from './session.mjs';

const bundler = path.resolve(import.meta.dirname, '../bundle.mjs');
// Outside the repository: a bundle must find nothing there. Not mkdtemp: PostgreSQL's user must get through.
const folder = path.join(tmpdir(), `holdfast-bundles-${randomBytes(4).toString('hex')}`);
const plainEnv = { PATH: process.env.PATH, HOME: folder, NODE_ENV: 'production' };
const undo = [];
for (const signal of ['SIGINT', 'SIGTERM']) process.once(signal, () => cleanUp().then(() => process.exit(1)));

try {
  await main();
} catch (error) {
  console.error(error instanceof Error ? error.message : error);
  process.exitCode = 1;
} finally {
  await cleanUp();
}

async function main() {
  mkdirSync(folder);
  undo.push(() => rmSync(folder, { recursive: true, force: true }));
  for (const app of ['api', 'workers', 'runner']) {
    execFileSync(process.execPath, [bundler, app, path.join(folder, app)], { stdio: 'inherit' });
  }

  const env = await startServers();
  runOnce('migrate.js', env);
  const keys = JSON.parse(runOnce('bootstrap.js', env));
  const apis = await Promise.all([startApi('api 1', env), startApi('api 2', env)]);
  const [workers] = await Promise.all([startWorkers('workers 1', env), startWorkers('workers 2', env)]);
  const proxy = await startProxy(
    path.join(folder, 'proxy'),
    apis.map(({ port }) => port),
  );
  undo.push(() => proxy.stop());
  const runner = await startRunner(proxy.url, keys.runner_key);
  console.log('two api, two workers, a proxy and a runner are up');

  const client = (url) => new HoldfastClient({ url, apiKey: keys.api_key });
  const viewers = [proxy.url, ...apis.map(({ url }) => url)].map(client);
  await runSession(`s-${randomUUID()}`, client(proxy.url), viewers);
  console.log('a session went through, seen alike through the proxy and on each api');

  await Promise.all([apis[0].service.stop(), workers.stop()]);
  await runSession(`s-${randomUUID()}`, client(proxy.url), [client(proxy.url)]);
  console.log('another went through after one api and one worker were stopped');

  await runner.stop();
  console.log('SIGTERM ended each of the three in order');
}

async function startServers() {
  const postgres = await startPostgres({ dataDir: path.join(folder, 'postgres'), durable: false });
  undo.push(() => postgres.stop());
  const redis = await startRedis({ dir: path.join(folder, 'redis') });
  undo.push(() => redis.stop());
  const BLOBS_URL = pathToFileURL(path.join(folder, 'blobs')).href;
  return { ...plainEnv, DATABASE_URL: postgres.url, REDIS_URL: redis.url, BLOBS_URL };
}

function runOnce(command, env) {
  const options = { cwd: path.join(folder, 'api'), env, encoding: 'utf8', stdio: ['ignore', 'pipe', 'inherit'] };
  return execFileSync(process.execPath, [`apps/api/dist/commands/${command}`], options);
}

async function startApi(name, env) {
  const image = readImage('api');
  const port = await freePort();
  const own = { ...env, ...image.env, HOST: '127.0.0.1', PORT: String(port) };
  const service = launch(name, image.command, 'api', own);
  const [, ...check] = image.healthCheck;
  await service.ready(async () => {
    try {
      execFileSync(process.execPath, check, { env: own, timeout: 5_000 });
      return true;
    } catch {
      return false;
    }
  });
  return { service, port, url: `http://127.0.0.1:${port}` };
}

async function startWorkers(name, env) {
  const service = launch(name, readImage('workers').command, 'workers', env);
  await service.ready(() => service.output().includes('workers ready'));
  return service;
}

async function startRunner(url, key) {
  const own = { HOLDFAST_URL: url, HOLDFAST_RUNNER_KEY: key, HOLDFAST_RUNNER_DIR: path.join(folder, 'runner-data') };
  const service = launch('runner', readImage('runner').command, 'runner', { ...plainEnv, ...own });
  await service.ready(() => service.output().includes('runner ready'));
  return service;
}

function launch(name, command, bundle, env) {
  const service = startService(name, command, { cwd: path.join(folder, bundle), env });
  undo.push(() => service.kill());
  return service;
}

async function cleanUp() {
  for (const step of undo.splice(0).reverse()) await step();
}
