import { readdirSync, readFileSync } from 'node:fs';

/** Linux counts processor time in hundredths of a second for whoever asks through /proc (USER_HZ, proc(5)). */
const TICKS_PER_SECOND = 100;

/**
 * What every process of the machine has used so far. Fields of /proc/PID/stat by their numbers in proc(5): 4 ppid,
 * 14 utime, 15 stime, 16 cutime, 17 cstime.
 */
export function readProcesses() {
  const processes = new Map();
  for (const name of readdirSync('/proc')) {
    if (!/^\d+$/.test(name)) continue;
    try {
      const stat = readFileSync(`/proc/${name}/stat`, 'latin1');
      const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
      const [own, reaped] = [Number(fields[11]) + Number(fields[12]), Number(fields[13]) + Number(fields[14])];
      processes.set(Number(name), { parent: Number(fields[1]), own, reaped });
    } catch {
      // It has ended since the folder was listed.
    }
  }
  return processes;
}

/**
 * Seconds that the processes `roots` and everything below them have used. What a child used is counted in its parent
 * once the child is gone, so the difference between two readings misses nothing.
 */
export function secondsOfTree(processes, roots) {
  const members = new Set(roots);
  const children = childrenByParent(processes);
  for (const pid of members) for (const child of children.get(pid) ?? []) members.add(child);
  let ticks = 0;
  for (const pid of members) {
    const used = processes.get(pid);
    if (used) ticks += used.own + used.reaped;
  }
  return ticks / TICKS_PER_SECOND;
}

function childrenByParent(processes) {
  const children = new Map();
  for (const [pid, { parent }] of processes) {
    if (!children.has(parent)) children.set(parent, []);
    children.get(parent).push(pid);
  }
  return children;
}

/** Seconds that one process itself has used. */
export function secondsOf(processes, pid) {
  return (processes.get(pid)?.own ?? 0) / TICKS_PER_SECOND;
}

/**
 * Seconds that the whole machine was busy, and that a hypervisor kept from it. First line of /proc/stat: user, nice,
 * system, idle, iowait, irq, softirq, steal.
 */
export function readMachine() {
  const [line] = readFileSync('/proc/stat', 'latin1').split('\n', 1);
  const [user, nice, system, , , irq, softirq, steal] = line.trim().split(/\s+/).slice(1).map(Number);
  const busy = (user + nice + system + irq + softirq) / TICKS_PER_SECOND;
  return { busy, stolen: steal / TICKS_PER_SECOND };
}

/** Resident memory of one process in bytes; 0 when it is gone. */
export function residentBytes(pid) {
  try {
    return Number(/^VmRSS:\s+(\d+) kB$/m.exec(readFileSync(`/proc/${pid}/status`, 'latin1'))[1]) * 1024;
  } catch {
    return 0;
  }
}
