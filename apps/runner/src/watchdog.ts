/**
 * A process between the runner and one agent, which ends the agent and all it started when the runner cannot: when the
 * runner dies (fd 3 closes) or no longer holds its lease (the time it granted runs out). It also ends an agent that
 * has too many processes or too much memory. Signals other than SIGKILL do not move it.
 *
 * The agent inherits fds 0, 1 and 2. Lines on fd 3, from the runner:
 *   launch {"command","args","cwd","environment","marker","limitMs","limits":{"processes","memoryMib"}}   once, first
 *   extend <ms>       the agent may live for this long from now on
 *   signal <name>     to the agent itself, and nobody else
 *   end <graceMs>     SIGTERM to everybody, SIGKILL after the grace
 * and to the runner:
 *   started <pgid>    failed <message>    expired    exceeded {"limit","allowed","used"}
 *   exited <code or signal>    then, last, left <count>: how many of its processes could not be killed
 *
 * It imports nothing but Node and the agent's tree, so that it starts fast and nothing else can make it fail.
 */
import { spawn, type ChildProcess } from 'node:child_process';
import { closeSync } from 'node:fs';
import { Socket } from 'node:net';
import { createInterface } from 'node:readline';
import type { AgentLimits, Exceeded } from './agent-limits.js';
import { AgentTree, markerVariable } from './agent-tree.js';

const killAfterMs = 2_000;
const inspectEveryMs = 500;
/** Looking at everybody on the machine may take this part of one core's time; many agents may run beside this one. */
const thoroughShare = 0.002;
const thoroughEveryMs = { least: 2_000, most: 10_000 };

// Node's timers run on the monotonic clock: a changed wall clock neither ends an agent nor keeps it alive.
let agent: ChildProcess | undefined;
let tree: AgentTree | undefined;
let inspection: NodeJS.Timeout | undefined;
let thoroughAt = 0;
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
// Fd 3 alone decides: whoever stops all of a service at once leaves the runner the time to hand its turns over.
for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) process.on(signal, () => undefined);

function obey(line: string): void {
  const space = line.indexOf(' ');
  const [verb, argument] = [line.slice(0, space), line.slice(space + 1)];
  if (verb === 'launch') launch(JSON.parse(argument));
  if (verb === 'extend') extend(Number(argument));
  if (verb === 'signal') agent?.kill(argument as NodeJS.Signals);
  if (verb === 'end') end(Number(argument));
}

function launch(order: {
  command: string;
  args: string[];
  cwd: string;
  environment: Record<string, string>;
  marker: string;
  limitMs: number;
  limits: Pick<AgentLimits, 'processes' | 'memoryMib'>;
}): void {
  agent = spawn(order.command, order.args, {
    cwd: order.cwd,
    env: { ...order.environment, [markerVariable]: order.marker },
    stdio: 'inherit',
    detached: true,
  });
  agent.once('spawn', () => {
    // The agent alone holds its streams, so that the runner sees it when the agent closes one.
    for (const fd of [0, 1, 2]) closeSync(fd);
    report(`started ${agent?.pid}`);
    inspect(order.limits);
  });
  agent.once('error', (error) => leave(`failed ${error.message}`));
  agent.once('exit', (code, signal) => {
    report(`exited ${code ?? signal}`);
    void leaveNobody();
  });
  if (agent.pid !== undefined) tree = new AgentTree(order.marker, agent.pid);
  extend(order.limitMs);
}

function inspect(limits: Pick<AgentLimits, 'processes' | 'memoryMib'>): void {
  const exceeded = excess(limits);
  if (exceeded) {
    report(`exceeded ${JSON.stringify(exceeded)}`);
    end(0);
    return;
  }
  inspection = setTimeout(() => inspect(limits), inspectEveryMs);
}

/** Those that descend from known ones each time; now and then all, for those that do not. */
function processCount(): number {
  if (!tree) return 0;
  const startedAt = performance.now();
  if (startedAt < thoroughAt) return tree.countNear();
  const count = tree.count();
  const endedAt = performance.now();
  const pauseMs = Math.max(thoroughEveryMs.least, (endedAt - startedAt) / thoroughShare);
  thoroughAt = endedAt + Math.min(thoroughEveryMs.most, pauseMs);
  return count;
}

function excess({ processes, memoryMib }: Pick<AgentLimits, 'processes' | 'memoryMib'>): Exceeded | undefined {
  const count = processCount();
  if (count > processes) return { limit: 'processes', allowed: processes, used: count };
  const used = Math.ceil(tree?.memoryMib(memoryMib) ?? 0);
  if (used > memoryMib) return { limit: 'memoryMib', allowed: memoryMib, used };
  return undefined;
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
  if (graceMs > 0) tree?.signal('SIGTERM');
  const at = performance.now() + graceMs;
  // A later, gentler order never postpones an end that is already on its way.
  if (kill && kill.at <= at) return;
  clearTimeout(kill?.timer);
  kill = { at, timer: setTimeout(() => tree?.signal('SIGKILL'), graceMs) };
}

async function leaveNobody(): Promise<void> {
  clearTimeout(inspection);
  leave(`left ${(await tree?.end(killAfterMs)) ?? 0}`);
}

function report(line: string): void {
  control.write(`${line}\n`);
}

function leave(line: string): void {
  control.end(`${line}\n`, () => process.exit(0));
  // A runner that is stopped does not read; waiting for it would keep this process for ever.
  setTimeout(() => process.exit(0), killAfterMs).unref();
}
