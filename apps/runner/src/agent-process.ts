import { spawn, type ChildProcess } from 'node:child_process';
import { createInterface } from 'node:readline';
import type { Duplex, Readable, Writable } from 'node:stream';
import { setTimeout as delay } from 'node:timers/promises';

const stderrTailBytes = 4 * 1024;
/** How long the last lines of stderr may take to arrive. */
const lastWordsMs = 200;

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
  /** Why it never started, if it did not. */
  startFailure: string | null;
}

/** One agent in a process group of its own, under a watchdog. */
export class AgentProcess {
  /** Settles once nobody of the group is left; never rejects. */
  readonly exited: Promise<AgentExit>;

  private readonly watchdog: ChildProcess;
  private readonly control: Duplex;
  private readonly exit: AgentExit = { code: null, signal: null, expired: false, startFailure: null };
  private readonly stderrEnd: Promise<unknown>;
  private groupId: number | undefined;
  private stderr = '';

  /** `limitMs` is how long the agent may live unless it is extended. */
  constructor(launch: AgentLaunch, cwd: string, limitMs: number, watchdogPath: string) {
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
      this.stderr = (this.stderr + text).slice(-stderrTailBytes);
    });
    this.stderrEnd = new Promise((resolve) => this.watchdog.stderr?.once('close', resolve));
    this.exited = this.watch();
    this.order(
      `launch ${JSON.stringify({ command: launch.command, args: launch.args, cwd, environment: launch.environment, limitMs })}`,
    );
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

  /** Asks the whole group to end and kills it after `graceMs`; 0 kills at once. */
  end(graceMs: number): void {
    this.order(`end ${graceMs}`);
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
    this.killGroup();
    // Somebody outside the group may still hold stderr.
    await Promise.race([this.stderrEnd, delay(lastWordsMs, undefined, { ref: false })]);
    return this.exit;
  }

  private note(line: string): void {
    const [verb, argument = ''] = line.split(/ (.*)/s);
    if (verb === 'started') this.groupId = Number(argument);
    if (verb === 'expired') this.exit.expired = true;
    if (verb === 'failed') this.exit.startFailure = argument;
    if (verb === 'exited') {
      this.groupId = undefined;
      if (/^\d+$/.test(argument)) this.exit.code = Number(argument);
      else this.exit.signal = argument;
    }
  }

  /** Only when the watchdog died before its agent. */
  private killGroup(): void {
    if (this.groupId === undefined) return;
    try {
      process.kill(-this.groupId, 'SIGKILL');
    } catch {
      // The group ended with its watchdog.
    }
  }
}
