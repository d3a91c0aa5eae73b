import { spawn, type ChildProcess } from 'node:child_process';
import { randomUUID } from 'node:crypto';
import { createInterface } from 'node:readline';
import type { Duplex, Readable, Writable } from 'node:stream';
import { setTimeout as delay } from 'node:timers/promises';
import type { AgentLimits, Exceeded } from './agent-limits.js';
import { AgentTree } from './agent-tree.js';

const stderrTailBytes = 4 * 1024;
/** How long the last lines of stderr may take to arrive. */
const lastWordsMs = 200;
/** How long it is tried to end what an agent left behind. */
const endLeftMs = 2_000;

/** What to run for a turn. */
export interface AgentLaunch {
  command: string;
  args: readonly string[];
  environment: Readonly<Record<string, string>>;
}

/** How the agent ended; neither code nor signal when its watchdog died first. */
export interface AgentExit {
  code: number | null;
  signal: string | null;
  /** The watchdog ended it because no time was granted any more. */
  expired: boolean;
  /** The watchdog ended it because it used too much. */
  exceeded: Exceeded | null;
  /** How many of its processes could not be ended; null until that is known. */
  left: number | null;
  /** Why it never started, if it did not. */
  startFailure: string | null;
}

/** Where an agent works, and whose it is. */
export interface Workplace {
  cwd: string;
  /** Marks the processes of this session's agents; others may work in the same folder. */
  mark: string;
}

/** Where an agent works, and for how long and with how much before its watchdog ends it. */
export interface AgentTerms extends Workplace {
  /** How long it may live unless it is extended. */
  limitMs: number;
  limits: Pick<AgentLimits, 'processes' | 'memoryMib'>;
  watchdogPath: string;
  /** Told of every chunk of stderr. */
  onStderr(bytes: number): void;
}

/** Ends whoever an agent with this mark left behind, as when its watchdog was killed. Answers how many still live. */
export async function endLeftAgents(mark: string): Promise<number> {
  return await new AgentTree(markerOf(mark)).end(endLeftMs);
}

/** One agent in a process group of its own, under a watchdog. */
export class AgentProcess {
  /** Settles once nobody that the agent started is left; never rejects. */
  readonly exited: Promise<AgentExit>;
  /** Settles once the agent itself has ended. */
  readonly died: Promise<void>;

  private readonly watchdog: ChildProcess;
  private readonly control: Duplex;
  private readonly exit: AgentExit = {
    code: null,
    signal: null,
    expired: false,
    exceeded: null,
    left: null,
    startFailure: null,
  };
  private readonly marker: string;
  private readonly stderrEnd: Promise<unknown>;
  private groupId: number | undefined;
  private isDead = false;
  private tellDeath: () => void = () => undefined;
  private stderr = '';

  constructor(launch: AgentLaunch, { cwd, mark, limitMs, limits, watchdogPath, onStderr }: AgentTerms) {
    this.marker = `${markerOf(mark)}${randomUUID()}`;
    // No environment: the agent could read its watchdog's, and the runner's own holds its key.
    this.watchdog = spawn(process.execPath, [watchdogPath], {
      env: {},
      detached: true,
      stdio: ['pipe', 'pipe', 'pipe', 'pipe'],
    });
    this.control = this.watchdog.stdio[3] as Duplex;
    // The streams of a process that dies break at any time; its exit is what is reported.
    for (const stream of [this.stdin, this.stdout, this.watchdog.stderr, this.control]) {
      stream?.on('error', () => undefined);
    }
    this.watchdog.stderr?.setEncoding('utf8').on('data', (text: string) => {
      onStderr(Buffer.byteLength(text));
      this.stderr = (this.stderr + text).slice(-stderrTailBytes);
    });
    this.stderrEnd = new Promise((resolve) => this.watchdog.stderr?.once('close', resolve));
    this.died = new Promise<void>((resolve) => (this.tellDeath = resolve)).then(() => void (this.isDead = true));
    this.exited = this.watch();
    const { command, args, environment } = launch;
    const { marker } = this;
    this.order(`launch ${JSON.stringify({ command, args, cwd, environment, marker, limitMs, limits })}`);
  }

  /** Whether the agent has started and not yet ended. */
  get isLive(): boolean {
    return this.groupId !== undefined && !this.isDead;
  }

  get stdin(): Writable {
    return this.watchdog.stdin as Writable;
  }

  get stdout(): Readable {
    return this.watchdog.stdout as Readable;
  }

  /** The last lines that the agent wrote to stderr, at most 4 KiB. */
  get stderrTail(): string {
    return this.stderr.trim();
  }

  /** Lets the agent live for `ms` from now. */
  extend(ms: number): void {
    this.order(`extend ${Math.round(ms)}`);
  }

  /** Asks the agent and all it started to end and kills them after `graceMs`; 0 kills at once. */
  end(graceMs: number): void {
    this.order(`end ${graceMs}`);
  }

  /** Asks the agent itself to stop what it does, as the terminal's interrupt key would. */
  interrupt(): void {
    this.order('signal SIGINT');
  }

  private order(line: string): void {
    if (this.control.writable) this.control.write(`${line}\n`);
  }

  private async watch(): Promise<AgentExit> {
    const lines = createInterface({ input: this.control }).on('line', (line) => this.note(line));
    // readline raises its input's errors a second time.
    lines.on('error', () => undefined);
    const reported = new Promise((resolve) => this.control.once('close', resolve));
    await new Promise<void>((resolve) => {
      this.watchdog.once('exit', resolve);
      this.watchdog.once('error', (error) => {
        this.exit.startFailure = error.message;
        resolve();
      });
    });
    // The agent does not hold fd 3, so this ends with the watchdog whatever the agent left behind.
    await reported;
    this.tellDeath();
    // The watchdog died before its work was done.
    if (this.exit.startFailure === null && this.exit.left === null) {
      this.exit.left = await new AgentTree(this.marker, this.groupId).end(endLeftMs);
    }
    // Somebody who could not be ended may still hold stderr.
    await Promise.race([this.stderrEnd, delay(lastWordsMs, undefined, { ref: false })]);
    return this.exit;
  }

  private note(line: string): void {
    const [verb, argument = ''] = line.split(/ (.*)/s);
    if (verb === 'started') this.groupId = Number(argument);
    if (verb === 'expired') this.exit.expired = true;
    if (verb === 'exceeded') this.exit.exceeded = JSON.parse(argument) as Exceeded;
    if (verb === 'left') this.exit.left = Number(argument);
    if (verb === 'failed') this.exit.startFailure = argument;
    if (verb === 'exited') {
      if (/^\d+$/.test(argument)) this.exit.code = Number(argument);
      else this.exit.signal = argument;
      this.tellDeath();
    }
  }
}

function markerOf(mark: string): string {
  return `${mark}#`;
}
