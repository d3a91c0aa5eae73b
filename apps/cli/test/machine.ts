import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import {
  appendFileSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  realpathSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { eventually } from '@holdfast/testing';

const bin = path.resolve(__dirname, '../bin/holdfast.mjs');

export interface Ended {
  code: number | null;
  out: string;
  err: string;
}

/** Whether the process runs; one that only waits to be reaped does not. */
export function isAlive(pid: number): boolean {
  try {
    if (!existsSync('/proc/self/status')) return process.kill(pid, 0);
    return !/^State:\s+[ZX]/m.test(readFileSync(`/proc/${pid}/status`, 'utf8'));
  } catch {
    return false;
  }
}

/** A user's machine: a home, a folder to work in, and the command line. */
export class Machine {
  readonly home: string;
  readonly cwd: string;

  /** `variables` are what the user has set, with HOME as a placeholder for the home. */
  constructor(
    private readonly api: { url: string; key: string },
    { cwd = 'work', variables = {} as Record<string, string> } = {},
  ) {
    this.home = realpathSync(mkdtempSync(path.join(tmpdir(), 'holdfast-machine-')));
    this.cwd = path.join(this.home, cwd);
    mkdirSync(this.cwd, { recursive: true });
    const set = Object.entries(variables).map(([name, value]) => [name, value.replace('HOME', this.home)]);
    this.variables = Object.fromEntries(set) as Record<string, string>;
  }

  private readonly variables: Record<string, string>;
  private readonly running = new Set<ChildProcess>();

  start(...args: string[]) {
    const env = {
      PATH: process.env['PATH'],
      HOME: this.home,
      HOLDFAST_URL: this.api.url,
      HOLDFAST_API_KEY: this.api.key,
      ...this.variables,
    };
    const child = spawn(process.execPath, [bin, ...args], { cwd: this.cwd, env, stdio: ['ignore', 'pipe', 'pipe'] });
    this.running.add(child);
    child.once('close', () => this.running.delete(child));
    const said = { out: '', err: '' };
    child.stdout.on('data', (chunk) => (said.out += chunk));
    child.stderr.on('data', (chunk) => (said.err += chunk));
    const ended = once(child, 'close').then(([code]) => ({ code: code as number | null, ...said }));
    const sees = (text: string) => eventually(() => expect(said.out).toContain(text), { timeout: 60_000 });
    return { child, ended, sees };
  }

  run(...args: string[]): Promise<Ended> {
    return this.start(...args).ended;
  }

  /** Runs with --json; whatever went wrong is in the object. */
  async json(...args: string[]): Promise<Record<string, unknown>> {
    const { code, out, err } = await this.run(...args, '--json');
    try {
      return { exit: code, ...(JSON.parse(out) as object) };
    } catch {
      throw new Error(`exit code ${code}: ${out}${err}`);
    }
  }

  /** Absolute; `file` is relative to the home. */
  path(file: string): string {
    return path.join(this.home, file);
  }

  write(file: string, text: string): void {
    mkdirSync(path.dirname(this.path(file)), { recursive: true });
    writeFileSync(this.path(file), text);
  }

  append(file: string, text: string): void {
    appendFileSync(this.path(file), text);
  }

  read(file: string): string {
    return readFileSync(this.path(file), 'utf8');
  }

  /** All files below a folder of the home, relative to it. */
  files(folder: string): string[] {
    return readdirSync(this.path(folder), { recursive: true, withFileTypes: true })
      .filter((entry) => entry.isFile())
      .map((entry) => path.relative(this.path(folder), path.join(entry.parentPath, entry.name)))
      .sort();
  }

  /** With whatever still runs of a test that failed. */
  remove(): void {
    for (const child of this.running) child.kill('SIGKILL');
    rmSync(this.home, { recursive: true, force: true });
  }
}
