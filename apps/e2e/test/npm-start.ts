import { execFileSync, spawn } from 'node:child_process';
import { once } from 'node:events';
import { readdirSync, readFileSync } from 'node:fs';
import path from 'node:path';
import { eventually } from '@holdfast/testing';

export const root = path.resolve(__dirname, '../../..');

/** What `npm start` writes to endpoint.json. */
export interface Endpoint {
  url: string;
  apiKey: string;
  runnerKey: string;
}

export interface RunningProcess {
  pid: number;
  parentPid: number;
  /** Its arguments, separated by spaces. */
  command: string;
}

/** `npm start` as its user runs it: in a shell that knows nothing of this test run. */
export function npmStart(home: string, { port = 0 } = {}) {
  const env = {
    PATH: process.env['PATH'],
    HOME: path.dirname(home),
    HOLDFAST_HOME: home,
    HOLDFAST_PORT: String(port),
  };
  // In a process group of its own, as the foreground job of a terminal is.
  const npm = spawn('npm', ['start'], { cwd: root, env, detached: true, stdio: ['ignore', 'pipe', 'pipe'] });
  const closed = once(npm, 'close').then(([code]) => code as number | null);
  let printed = '';
  let errors = '';
  let seen: RunningProcess[] = [];
  npm.stdout.setEncoding('utf8').on('data', (text) => (printed += text));
  npm.stderr.setEncoding('utf8').on('data', (text) => (errors += text));

  /** What it printed so far, without npm's own lines. */
  const lines = () => printed.split('\n').filter((line) => line && !line.startsWith('> '));
  /** All that runs below npm now. */
  const processes = () => (seen = descendantsOf(npm.pid!));
  return {
    lines,
    processes,
    errors: () => errors,
    /** The one process below npm whose command contains `part`. */
    process(part: string): RunningProcess {
      const found = processes().filter(({ command }) => command.includes(part));
      if (found.length !== 1) throw new Error(`${found.length} processes run ${part}`);
      return found[0]!;
    },
    async ready(): Promise<Endpoint> {
      const isReady = () => lines().some((line) => line.startsWith('try: '));
      const said = () => new Error(`npm start is not ready (exit code ${npm.exitCode}):\n${printed}\n${errors}`);
      await eventually(
        () => {
          if (npm.exitCode === null && !isReady()) throw said();
        },
        { timeout: 60_000 },
      );
      if (!isReady()) throw said();
      return JSON.parse(readFileSync(path.join(home, 'endpoint.json'), 'utf8')) as Endpoint;
    },
    /** Sends what the terminal sends: a signal to everybody in the foreground. */
    pressCtrlC: () => process.kill(-npm.pid!, 'SIGINT'),
    /** Its exit code, when it is gone with all that writes to its output. */
    ended: () => closed,
    /** Leaves nothing behind of a test that failed. */
    killAll(): void {
      if (npm.exitCode === null && npm.signalCode === null) processes();
      for (const { pid } of seen.filter(isRunning)) process.kill(pid, 'SIGKILL');
    },
  };
}

/** Whether it still runs; another process may have its id by now. */
export function isRunning({ pid, command }: RunningProcess): boolean {
  return allProcesses().some((other) => other.pid === pid && other.command === command);
}

function descendantsOf(pid: number): RunningProcess[] {
  const all = allProcesses();
  const below = (parent: number): RunningProcess[] =>
    all.filter(({ parentPid }) => parentPid === parent).flatMap((child) => [child, ...below(child.pid)]);
  return below(pid);
}

/** Without those that only wait to be reaped. A slim container has no `ps`, so Linux is asked directly (proc(5)). */
function allProcesses(): RunningProcess[] {
  if (process.platform !== 'linux') return fromPs();
  return readdirSync('/proc')
    .filter((name) => /^\d+$/.test(name))
    .flatMap((pid) => fromProc(Number(pid)));
}

function fromProc(pid: number): RunningProcess[] {
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, 'utf8');
    const [state, parentPid] = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
    const command = readFileSync(`/proc/${pid}/cmdline`, 'utf8').replaceAll('\0', ' ').trim();
    return state === 'Z' ? [] : [{ pid, parentPid: Number(parentPid), command }];
  } catch {
    return [];
  }
}

function fromPs(): RunningProcess[] {
  const table = execFileSync('ps', ['-A', '-ww', '-o', 'pid=,ppid=,stat=,command='], { encoding: 'utf8' });
  return [...table.matchAll(/^ *(\d+) +(\d+) +([^Z ]\S*) +(.*)$/gm)].map(([, pid, parentPid, , command]) => ({
    pid: Number(pid),
    parentPid: Number(parentPid),
    command: command!,
  }));
}
