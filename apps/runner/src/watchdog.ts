/**
 * A process between the runner and one agent, which ends the agent's whole process group when the runner cannot:
 * when the runner dies (fd 3 closes) or no longer holds its lease (the time it granted runs out).
 *
 * The agent inherits fds 0, 1 and 2. Lines on fd 3, from the runner:
 *   launch {"command","args","cwd","environment","limitMs"}   once, first
 *   extend <ms>       the group may live for this long from now on
 *   end <graceMs>     SIGTERM to the group, SIGKILL after the grace
 * and to the runner:
 *   started <pgid>    failed <message>    expired    exited <code or signal>
 *
 * It imports nothing but Node, so that it starts fast and nothing else can make it fail.
 */
import { spawn, type ChildProcess } from 'node:child_process';
import { closeSync } from 'node:fs';
import { Socket } from 'node:net';
import { createInterface } from 'node:readline';

const killAfterMs = 2_000;

// Node's timers run on the monotonic clock: a changed wall clock neither ends an agent nor keeps it alive.
let agent: ChildProcess | undefined;
let expiry: NodeJS.Timeout | undefined;
let kill: { at: number; timer: NodeJS.Timeout } | undefined;

const control = new Socket({ fd: 3 });
control.on('error', () => undefined);
control.on('close', () => end(killAfterMs));
const lines = createInterface({ input: control }).on('line', obey);
// readline raises its input's errors a second time.
lines.on('error', () => undefined);
// A watchdog that fails must not leave an agent without one.
process.on('uncaughtException', () => end(killAfterMs));
// The runner decides through fd 3; a signal meant for the runner's terminal or container is not the agent's.
for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) process.on(signal, () => end(killAfterMs));

function obey(line: string): void {
  const space = line.indexOf(' ');
  const [verb, argument] = [line.slice(0, space), line.slice(space + 1)];
  if (verb === 'launch') launch(JSON.parse(argument));
  if (verb === 'extend') extend(Number(argument));
  if (verb === 'end') end(Number(argument));
}

function launch(order: {
  command: string;
  args: string[];
  cwd: string;
  environment: Record<string, string>;
  limitMs: number;
}): void {
  agent = spawn(order.command, order.args, {
    cwd: order.cwd,
    env: order.environment,
    stdio: 'inherit',
    detached: true,
  });
  agent.once('spawn', () => {
    // The agent alone holds its streams, so that the runner sees it when the agent closes one.
    for (const fd of [0, 1, 2]) closeSync(fd);
    report(`started ${agent?.pid}`);
  });
  agent.once('error', (error) => leave(`failed ${error.message}`));
  agent.once('exit', (code, signal) => {
    signalGroup('SIGKILL');
    leave(`exited ${code ?? signal}`);
  });
  extend(order.limitMs);
}

function extend(ms: number): void {
  clearTimeout(expiry);
  expiry = setTimeout(() => {
    report('expired');
    end(killAfterMs);
  }, ms);
}

function end(graceMs: number): void {
  if (agent?.pid === undefined) process.exit(0);
  if (graceMs > 0) signalGroup('SIGTERM');
  const at = performance.now() + graceMs;
  // A later, gentler order never postpones an end that is already on its way.
  if (kill && kill.at <= at) return;
  clearTimeout(kill?.timer);
  kill = { at, timer: setTimeout(() => signalGroup('SIGKILL'), graceMs) };
}

function signalGroup(signal: NodeJS.Signals): void {
  if (agent?.pid === undefined) return;
  try {
    process.kill(-agent.pid, signal);
  } catch {
    // Nobody is left in the group.
  }
}

function report(line: string): void {
  control.write(`${line}\n`);
}

function leave(line: string): void {
  control.end(`${line}\n`, () => process.exit(0));
  // A runner that is stopped does not read; waiting for it would keep this process for ever.
  setTimeout(() => process.exit(0), killAfterMs).unref();
}
