import { spawn, type ChildProcess } from 'node:child_process';
import { closeSync, openSync, readFileSync, renameSync, statSync } from 'node:fs';
import { setTimeout as sleep } from 'node:timers/promises';
import type { ServerUser } from './server-user.js';

/** A running server that belongs to this process. It does not keep the event loop alive. */
export interface EmbeddedServer {
  url: string;
  port: number;
  pid: number;
  /** Ends it in order (connections are closed, nothing is lost) and resolves when it is gone. */
  stop(): Promise<void>;
  /** Ends it like a crash (SIGKILL) and resolves when it is gone; it can be started again on the same folder and port. */
  kill(): Promise<void>;
  /** Calls back when it ends without `stop`, with `exit code N` or `signal NAME`. */
  onUnexpectedExit(listener: (how: string) => void): void;
}

const LOG_LIMIT_BYTES = 10 * 1024 * 1024;
const POLL_MS = 15;

/** A server's process, in a process group of its own: Ctrl-C at the terminal must not end it before its users. */
export class ServerProcess {
  private readonly child: ChildProcess;
  private readonly gone: Promise<string>;
  private readonly logStart: number;
  private ended: string | undefined;
  private stopping = false;

  constructor(
    command: string,
    args: string[],
    private readonly logFile: string,
    options: { user?: ServerUser; env?: NodeJS.ProcessEnv } = {},
  ) {
    this.logStart = rotatedSize(logFile);
    const log = openSync(logFile, 'a', 0o600);
    const { user, env } = options;
    this.child = spawn(command, args, { ...user, env, cwd: '/', detached: true, stdio: ['ignore', log, log] });
    closeSync(log);
    this.child.unref();
    this.gone = new Promise<string>((resolve) => {
      this.child.once('error', (error) => resolve(error.message));
      this.child.once('exit', (code, signal) => resolve(signal ? `signal ${signal}` : `exit code ${code}`));
    });
    void this.gone.then((how) => (this.ended = how));
  }

  get pid(): number {
    return this.child.pid ?? -1;
  }

  /** What the server wrote to its log since this start. */
  output(): string {
    return readFileSync(this.logFile).subarray(this.logStart).toString().trim();
  }

  /** Waits for the first positive check. Resolves to false when the server ended before that. */
  async isReady(check: () => boolean | Promise<boolean>, timeoutMs: number): Promise<boolean> {
    const deadline = Date.now() + timeoutMs;
    while (!(await check())) {
      if (this.ended !== undefined) return false;
      if (Date.now() > deadline) {
        await this.end('SIGKILL', 0);
        throw new Error(`the server was not ready after ${timeoutMs / 1000} s; its log is ${this.logFile}`);
      }
      await sleep(POLL_MS);
    }
    return true;
  }

  /** Sends `signal`, and SIGKILL when the process is still there after `patienceMs`. */
  async end(signal: NodeJS.Signals, patienceMs: number): Promise<void> {
    this.stopping = true;
    this.child.ref();
    this.child.kill(signal);
    const impatience = setTimeout(() => this.child.kill('SIGKILL'), patienceMs);
    await this.gone;
    clearTimeout(impatience);
  }

  async kill(): Promise<void> {
    this.child.ref();
    this.child.kill('SIGKILL');
    await this.gone;
  }

  onUnexpectedExit(listener: (how: string) => void): void {
    void this.gone.then((how) => {
      if (!this.stopping) listener(how);
    });
  }
}

function rotatedSize(logFile: string): number {
  const size = statSync(logFile, { throwIfNoEntry: false })?.size ?? 0;
  if (size < LOG_LIMIT_BYTES) return size;
  renameSync(logFile, `${logFile}.1`);
  return 0;
}
