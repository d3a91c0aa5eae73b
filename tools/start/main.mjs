import { mkdirSync } from 'node:fs';
import { join, relative } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { pathToFileURL } from 'node:url';
import { superviseApp } from './app.mjs';
import { readEndpoint, writeEndpoint } from './endpoint.mjs';
import { lockHome } from './home-lock.mjs';
import { supervisePostgres } from './postgres.mjs';
import { runCommand } from './run-command.mjs';
import { choosePort, endpointFile, HELP, home } from './settings.mjs';
import { say } from './terminal.mjs';
import { build, ensureInstalled, root } from './workspace.mjs';

const READY_TIMEOUT_MS = 90_000;
/** npm hands on the Ctrl-C that the terminal has sent to both of them, so that one comes twice. */
const ECHO_MS = 500;

const stopping = new AbortController();
const { signal } = stopping;
const apps = [];
/** What undoes each step of the start; run from the last to the first. */
const undo = [];
let askedAt = -Infinity;
let failure;

if (process.argv.slice(2).some((argument) => argument === '--help' || argument === '-h')) {
  console.log(HELP);
} else {
  for (const name of ['SIGINT', 'SIGTERM', 'SIGHUP']) process.on(name, stopOrKill);
  process.stdout.on('error', () => stopping.abort());
  await runUntilStopped();
  process.exit(failure ? 1 : 0);
}

function stopOrKill() {
  if (!signal.aborted) {
    askedAt = performance.now();
    stopping.abort();
  } else if (performance.now() - askedAt > ECHO_MS) {
    for (const app of apps) app.kill();
  }
}

function giveUp(message) {
  if (signal.aborted) return;
  failure = message;
  stopping.abort();
}

async function runUntilStopped() {
  try {
    await start();
    await aborted();
  } catch (error) {
    giveUp(error.message);
  }
  if (failure) say(failure);
  for (const step of undo.reverse()) await step();
  if (!failure) say('stopped');
}

async function start() {
  mkdirSync(home, { recursive: true });
  undo.push(lockHome(home));
  const port = await choosePort();
  await ensureInstalled({ say, signal });
  await build({ say, signal });

  const environment = serviceEnvironment(await openDatabase());
  const endpoint = await prepareDatabase(environment, `http://127.0.0.1:${port}`);
  await startApps(environment, endpoint, port);
  console.log(`ready ${endpoint.url}`);
  console.log(`the development key is in ${relative(process.cwd(), endpointFile)}`);
  console.log('try: npx holdfast run "Show me what you can do"');
}

async function openDatabase() {
  if (process.env.DATABASE_URL) return reachable(process.env.DATABASE_URL);
  const postgres = await supervisePostgres({ home, onGiveUp: giveUp });
  undo.push(() => postgres.stop());
  signal.throwIfAborted();
  return postgres.url;
}

/** Asks once, so that a wrong address is one sentence and not a stack trace of an app. */
async function reachable(databaseUrl) {
  const { default: pg } = await import('pg');
  const client = new pg.Client({ connectionString: databaseUrl, connectionTimeoutMillis: 10_000 });
  try {
    await client.connect();
  } catch (error) {
    throw new Error(`The PostgreSQL of DATABASE_URL (${client.host}:${client.port}) cannot be used: ${error.message}`);
  }
  await client.end();
  return databaseUrl;
}

/** Brings the schema up to date, and keeps the keys of the last start as long as the database knows them. */
async function prepareDatabase(environment, url) {
  const command = (name, env) =>
    runCommand(process.execPath, [join(root, 'apps/api/dist/commands', name)], { env, signal });
  say('migrating …');
  await command('migrate.js', environment);
  const { apiKey, runnerKey } = readEndpoint();
  const known = apiKey && runnerKey ? { HOLDFAST_API_KEY: apiKey, HOLDFAST_RUNNER_KEY: runnerKey } : {};
  const printed = await command('bootstrap.js', { ...environment, ...known });
  const keys = JSON.parse(printed.trim().split('\n').at(-1));
  const endpoint = { url, apiKey: keys.api_key, runnerKey: keys.runner_key };
  writeEndpoint(endpoint);
  return endpoint;
}

async function startApps(environment, { url, runnerKey }, port) {
  const launch = (name, env) => {
    const app = superviseApp({ name, env, onGiveUp: giveUp });
    apps.push(app);
    // One by one, from the runner to the api: a turn that ends with its runner is told to the api.
    undo.push(() => app.stop());
    return app;
  };

  say('starting the api, the workers and the runner …');
  launch('api', { ...environment, PORT: String(port), HOST: '127.0.0.1' });
  const workers = launch('workers', environment).says('workers ready');
  await beforeLong(answersReady(url), 'The api is');
  const runner = launch('runner', runnerEnvironment(url, runnerKey)).says('runner ready');
  await beforeLong(Promise.all([workers, runner]), 'The workers and the runner are');
}

function serviceEnvironment(databaseUrl) {
  // Receivers of webhooks and push targets are under development here, too.
  return {
    WEBHOOK_ALLOW_LOOPBACK: 'true',
    PUSH_ALLOW_PRIVATE: 'true',
    BLOBS_URL: pathToFileURL(join(home, 'blobs')).href,
    ...plainEnvironment(),
    DATABASE_URL: databaseUrl,
    LOG_PRETTY: '1',
  };
}

/** The runner starts agents, so it gets no address of a database and no key of the blobs. */
function runnerEnvironment(url, runnerKey) {
  const servers = ['DATABASE_URL', 'DATABASE_DIRECT_URL', 'REDIS_URL', 'BLOBS_URL', 'BLOB_ENCRYPTION_KEYS'];
  const rest = Object.fromEntries(Object.entries(plainEnvironment()).filter(([name]) => !servers.includes(name)));
  const own = { HOLDFAST_URL: url, HOLDFAST_RUNNER_KEY: runnerKey, HOLDFAST_RUNNER_DIR: join(home, 'runner') };
  return { ...rest, ...own, LOG_PRETTY: '1' };
}

/** Without what npm adds for its scripts: an agent that calls npm must not inherit it. */
function plainEnvironment() {
  return Object.fromEntries(Object.entries(process.env).filter(([name]) => !/^npm_|^INIT_CWD$/i.test(name)));
}

async function answersReady(url) {
  while (!signal.aborted) {
    const response = await fetch(`${url}/health/ready`, { signal: AbortSignal.timeout(5_000) }).catch(() => undefined);
    if (response?.ok) return;
    await sleep(100);
  }
}

async function beforeLong(isDone, who) {
  const outcome = await Promise.race([isDone, aborted(), sleep(READY_TIMEOUT_MS, 'late', { ref: false })]);
  if (outcome === 'late') throw new Error(`${who} not ready after ${READY_TIMEOUT_MS / 1000} s.`);
  signal.throwIfAborted();
}

function aborted() {
  return new Promise((resolve) => {
    if (signal.aborted) resolve();
    else signal.addEventListener('abort', resolve, { once: true });
  });
}
