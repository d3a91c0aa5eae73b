import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { closeSync, mkdirSync, openSync, readFileSync, writeSync } from 'node:fs';
import { join } from 'node:path';
import { UsageError } from '../usage-error.js';

/** Of one session: its agent, and those that it starts here. */
const capacity = 64;
const readyMs = 60_000;
const stopMs = 15_000;
const maxLogShown = 2_000;

/** Where a runner of this machine works, and for whom. */
export interface LocalMachine {
  url: string;
  runnerKey: string;
  /** The file of the runner's program. */
  program: string;
  /** The runner's own, for one session and those of its agents. */
  folder: string;
  /** Where they all work, absolute. */
  workFolder: string;
  environment: Readonly<Record<string, string | undefined>>;
}

/**
 * A runner for one session, on this machine: it takes turns of no pool but its own. It is in a process group of its own,
 * so that Ctrl-C is heard here alone, and stops when this process is gone, however that ended.
 */
export class LocalRunner {
  private constructor(
    private readonly child: ChildProcess,
    private readonly folder: string,
    readonly exited: Promise<void>,
  ) {}

  /** Resolves once it takes turns. Throws UsageError with what it said where it cannot. */
  static async start({ url, runnerKey, program, folder, workFolder, environment }: LocalMachine): Promise<LocalRunner> {
    mkdirSync(folder, { recursive: true, mode: 0o700 });
    const log = openSync(join(folder, 'runner.log'), 'a', 0o600);
    const child = spawn(process.execPath, [program], {
      detached: true,
      stdio: ['pipe', 'pipe', 'pipe'],
      env: {
        ...environment,
        HOLDFAST_URL: url,
        HOLDFAST_RUNNER_KEY: runnerKey,
        HOLDFAST_RUNNER_DIR: folder,
        HOLDFAST_WORK_DIR: workFolder,
        HOLDFAST_POOLS: '',
        HOLDFAST_CAPACITY: `${capacity}`,
        HOLDFAST_STOPS_WITH_STDIN: '1',
        LOG_LEVEL: 'info',
        LOG_PRETTY: '',
      },
    });
    child.stdin!.on('error', () => undefined);
    let said = '';
    let tellReady: () => void = () => undefined;
    const ready = new Promise<void>((resolve) => (tellReady = resolve));
    for (const stream of [child.stdout!, child.stderr!]) {
      stream.setEncoding('utf8').on('data', (text: string) => {
        writeSync(log, text);
        said = (said + text).slice(-maxLogShown);
        if (said.includes('runner ready')) tellReady();
      });
    }
    const exited = once(child, 'close').then(() => closeSync(log));
    const runner = new LocalRunner(child, folder, exited);
    const problem = await runner.untilReady(ready);
    if (problem === undefined) return runner;
    await runner.stop();
    throw new UsageError(`${problem}\n${said.trim()}`);
  }

  /** The pool that this machine's turns wait in. */
  get privatePool(): string {
    return readFileSync(join(this.folder, 'private-pool'), 'utf8');
  }

  /** Its turns are over, or are handed over to the next runner of this session here. */
  async stop(): Promise<void> {
    if (this.child.exitCode !== null || this.child.signalCode !== null) return;
    this.child.kill('SIGTERM');
    const force = setTimeout(() => this.child.kill('SIGKILL'), stopMs);
    await this.exited;
    clearTimeout(force);
  }

  private async untilReady(ready: Promise<void>): Promise<string | undefined> {
    let timer: NodeJS.Timeout | undefined;
    const tooLate = new Promise<string>((resolve) => {
      timer = setTimeout(() => resolve(`The runner did not start within ${readyMs / 1_000} s.`), readyMs);
    });
    const ended = this.exited.then(() => 'The runner of this machine did not start:');
    return await Promise.race([ready, ended, tooLate])
      .then((problem) => problem ?? undefined)
      .finally(() => clearTimeout(timer));
  }
}
