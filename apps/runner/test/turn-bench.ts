import { randomUUID } from 'node:crypto';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { pino } from 'pino';
import { AgentLauncher } from '../src/agent-launcher.js';
import type { AgentLimits } from '../src/agent-limits.js';
import { CommandDesk } from '../src/command-desk.js';
import { Heartbeat } from '../src/heartbeat.js';
import { HostedTurns } from '../src/hosted-turns.js';
import { SessionFolders } from '../src/session-folders.js';
import type { TurnTimings } from '../src/turn-surroundings.js';
import { MemoryControlPlane } from './memory-control-plane.js';
import { watchdogPath } from './processes.js';

const timings: TurnTimings = {
  agentStartMs: 10_000,
  cancelMs: 4_000,
  forcedEndMs: 300,
  orderlyEndMs: 2_000,
  watchdogMs: 20_000,
  captureEveryMs: 5_000,
  lastCaptureMs: 60_000,
  hurriedCaptureMs: 60_000,
};

const generous: AgentLimits = { processes: 512, memoryMib: 8_192, outputMib: 256, turnMinutes: 240 };

/** Everything of a runner but its claims and its connection, around a control plane in memory. */
export class TurnBench {
  readonly plane: MemoryControlPlane;
  readonly folder: string;
  readonly turns: HostedTurns;
  readonly commands: CommandDesk;
  private readonly heartbeat: Heartbeat;
  private readonly ended = new AbortController();

  constructor(
    overrides: Partial<TurnTimings> & {
      beatMs?: number;
      limits?: Partial<AgentLimits>;
      folder?: string;
      /** Where all agents work. */
      workFolder?: string;
      watchdog?: string;
      /** Of another bench: two runners of one api. */
      plane?: MemoryControlPlane;
    } = {},
  ) {
    const { beatMs = 5_000, limits, folder, workFolder, watchdog = watchdogPath, plane, ...deadlines } = overrides;
    this.plane = plane ?? new MemoryControlPlane();
    this.folder = folder ?? mkdtempSync(join(tmpdir(), 'holdfast-runner-'));
    const log = pino({ level: process.env.TEST_LOG_LEVEL ?? 'silent' });
    this.turns = new HostedTurns({
      plane: this.plane,
      timings: { ...timings, ...deadlines },
      limits: { ...generous, ...limits },
      watchdogPath: watchdog,
      agents: new AgentLauncher(null, { PATH: process.env.PATH ?? '', HOME: this.folder }),
      folders: new SessionFolders(this.folder, workFolder),
      beatNow: () => this.heartbeat.beatNow(),
      log,
    });
    const watchdogMs = deadlines.watchdogMs ?? timings.watchdogMs;
    this.commands = new CommandDesk(this.turns);
    this.heartbeat = new Heartbeat(this.plane, randomUUID(), this.turns, this.commands, { beatMs, watchdogMs }, log);
    void this.heartbeat.run(this.ended.signal);
    void this.obeyCommands();
  }

  /** Queues a turn and claims it at once. */
  start(...invocation: Parameters<MemoryControlPlane['invoke']>) {
    const grant = this.plane.invoke(...invocation);
    this.turns.start(grant);
    return grant;
  }

  /** Queues a turn whose agent is this script, run by Node. */
  startScript(script: string) {
    return this.start('go', { harness: 'acp', command: [process.execPath, '-e', script] });
  }

  beatNow(): Promise<void> {
    return this.heartbeat.beatNow();
  }

  async close(): Promise<void> {
    for (const host of this.turns.all) host.lose();
    await Promise.all(this.turns.all.map((host) => host.finished));
    this.ended.abort();
    rmSync(this.folder, { recursive: true, force: true });
  }

  private async obeyCommands(): Promise<void> {
    for await (const { command, offset } of this.plane.followControl('', '-1', this.ended.signal)) {
      this.commands.take(command, offset);
    }
  }
}
