import { execFileSync } from 'node:child_process';
import { readFileSync } from 'node:fs';

/** A process of this machine, ours or not. */
export interface RunningProcess {
  parentPid: number;
  /** Its arguments, separated by spaces. */
  command: string;
}

/** Undefined when there is no such process or it is only waiting to be reaped. */
export function runningProcess(pid: number): RunningProcess | undefined {
  try {
    return process.platform === 'linux' ? fromProc(pid) : fromPs(pid);
  } catch {
    return undefined;
  }
}

/** A slim container has no `ps`, so Linux is asked directly (proc(5)). */
function fromProc(pid: number): RunningProcess | undefined {
  const stat = readFileSync(`/proc/${pid}/stat`, 'utf8');
  const [state, parentPid] = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
  if (state === 'Z') return undefined;
  const command = readFileSync(`/proc/${pid}/cmdline`, 'utf8').replaceAll('\0', ' ').trim();
  return { parentPid: Number(parentPid), command };
}

function fromPs(pid: number): RunningProcess | undefined {
  const line = execFileSync('ps', ['-ww', '-o', 'ppid=,stat=,command=', '-p', String(pid)], { encoding: 'utf8' });
  const [, parentPid, state, command] = line.trim().match(/^(\d+)\s+(\S+)\s+(.*)$/s) ?? [];
  if (!command || state?.startsWith('Z')) return undefined;
  return { parentPid: Number(parentPid), command };
}
