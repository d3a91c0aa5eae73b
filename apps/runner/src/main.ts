import { randomUUID } from 'node:crypto';
import { setTimeout as delay } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { pino, stdTimeFunctions, type Logger, type LoggerOptions } from 'pino';
import pretty from 'pino-pretty';
import { AgentLauncher } from './agent-launcher.js';
import { untilAvailable } from './backoff.js';
import { ClaimLoop } from './claim-loop.js';
import { CommandDesk } from './command-desk.js';
import { ConfigError, readConfig, type RunnerConfig } from './config.js';
import { Contact } from './contact.js';
import type { ControlPlane } from './control-plane.js';
import { Heartbeat } from './heartbeat.js';
import { HostedTurns } from './hosted-turns.js';
import { HttpControlPlane } from './http-control-plane.js';
import { privatePoolOf } from './private-pool.js';
import { FolderInUse, RunnerLock } from './runner-lock.js';
import { SessionFolders } from './session-folders.js';

const stopWithinMs = 8_000;
const turnDeadlines = {
  agentStartMs: 60_000,
  cancelMs: 4_000,
  forcedEndMs: 300,
  orderlyEndMs: 2_000,
  lastCaptureMs: 300_000,
  hurriedCaptureMs: 2_500,
};

try {
  await main();
} catch (error) {
  const isExpected = error instanceof ConfigError || error instanceof FolderInUse;
  console.error(isExpected ? error.message : error);
  process.exit(1);
}

async function main(): Promise<void> {
  const config = readConfig();
  const log = createLog(config);
  // One turn's forgotten promise is no reason to end the turns of everybody else.
  process.on('unhandledRejection', (error) => log.error({ err: error }, 'unhandled rejection'));

  const lock = await RunnerLock.take(config.folder);
  try {
    await hostTurns(config, await privatePoolOf(config.folder), stopSignal(config, log), log);
  } finally {
    await lock.release();
  }
  // Agents that are left end with their watchdogs, which see the pipe close.
  process.exit(0);
}

async function hostTurns(config: RunnerConfig, privatePool: string, stopping: AbortSignal, log: Logger): Promise<void> {
  const replicaId = randomUUID();
  const plane: ControlPlane = new HttpControlPlane(config.url, config.key, new Contact(config.url, log));
  const terms = await register(plane, replicaId, privatePool, config, stopping);
  if (!terms) return;

  const watchdogMs = terms.watchdog_seconds * 1_000;
  const turns = new HostedTurns({
    plane,
    timings: { ...turnDeadlines, watchdogMs, captureEveryMs: config.captureSeconds * 1_000 },
    limits: config.limits,
    watchdogPath: fileURLToPath(new URL('./watchdog.js', import.meta.url)),
    agents: new AgentLauncher(config.agentsFolder, config.environment, config.harnessCommands),
    folders: new SessionFolders(config.folder, config.workFolder),
    beatNow: () => heartbeat.beatNow(),
    log,
  });
  const commands = new CommandDesk(turns);
  const beatMs = terms.beat_seconds * 1_000;
  const heartbeat = new Heartbeat(plane, replicaId, turns, commands, { beatMs, watchdogMs }, log);
  const claims = new ClaimLoop(plane, replicaId, config.capacity, turns, heartbeat, log);
  const ended = new AbortController();

  void heartbeat.run(ended.signal);
  void followControl(plane, terms.control_path, commands, ended.signal);
  void claims.run(stopping);
  log.info({ replica_id: replicaId, pools: config.pools, capacity: config.capacity }, 'runner ready');

  await new Promise((resolve) => stopping.addEventListener('abort', resolve, { once: true }));
  log.info({ turns: turns.size }, 'stopping');
  await Promise.race([turns.drain(), delay(stopWithinMs)]);
  ended.abort();
  log.info({ turns_left: turns.size }, 'runner stopped');
}

function createLog(config: RunnerConfig): Logger {
  const options: LoggerOptions = {
    level: config.log.level,
    base: { app: 'runner' },
    timestamp: stdTimeFunctions.isoTime,
    formatters: { level: (label) => ({ level: label }) },
  };
  return config.log.isPretty ? pino(options, pretty({ sync: true, ignore: 'app', singleLine: true })) : pino(options);
}

/** Aborts at the first SIGTERM or SIGINT; a second one ends the process at once. */
function stopSignal({ stopsWithStdin }: RunnerConfig, log: Logger): AbortSignal {
  const stopping = new AbortController();
  if (stopsWithStdin) process.stdin.once('close', () => stopping.abort()).resume();
  for (const signal of ['SIGTERM', 'SIGINT'] as const) {
    process.on(signal, () => {
      if (stopping.signal.aborted) process.exit(1);
      log.info({ signal }, 'asked to stop');
      stopping.abort();
    });
  }
  return stopping.signal;
}

/** Waits for the api as long as it takes; undefined when the runner was stopped meanwhile. */
async function register(
  plane: ControlPlane,
  replicaId: string,
  private_pool: string,
  config: RunnerConfig,
  stopping: AbortSignal,
) {
  try {
    const { pools, labels, capacity } = config;
    const registration = { replica_id: replicaId, pools: [...pools], private_pool, labels: [...labels], capacity };
    return await untilAvailable(() => plane.register(registration), stopping);
  } catch (error) {
    if (stopping.aborted) return undefined;
    throw new ConfigError([`The api at ${config.url} does not accept this runner: ${(error as Error).message}`]);
  }
}

async function followControl(
  plane: ControlPlane,
  path: string,
  commands: CommandDesk,
  signal: AbortSignal,
): Promise<void> {
  for await (const { command, offset } of plane.followControl(path, '-1', signal)) commands.take(command, offset);
}
