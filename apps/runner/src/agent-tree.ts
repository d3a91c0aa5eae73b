import { readdirSync, readFileSync } from 'node:fs';
import { setTimeout as delay } from 'node:timers/promises';

/** The variable that marks every process of an agent: whatever an agent starts inherits it. */
export const markerVariable = 'HOLDFAST_AGENT';

/** Bytes as they are: names of processes need not be UTF-8. */
const procEncoding = 'latin1';
/** Between two looks for processes that are being killed. */
const lookAgainMs = 10;

/** One line of proc(5) `stat`. */
interface ProcessStat {
  pid: number;
  parent: number;
  group: number;
  session: number;
  /** In clock ticks since boot; tells a process from a later one under the same pid. */
  startedAt: number;
}

/**
 * All processes of one agent, also those that left its process group: whoever is in its group or session, descends from
 * it, or has its marker in the environment. Without /proc (not on Linux) it finds nobody, and only the group can be
 * signalled. A process that wipes its environment and cuts its ancestry between two looks is not found.
 */
export class AgentTree {
  private members = new Map<number, ProcessStat>();
  /** Members, also dead ones, whose group or session lives on: a pid is not given again while it names either. */
  private readonly leaders = new Set<number>();
  /** Start times of processes that were looked at and have no marker, by pid. */
  private readonly strangers = new Map<number, number>();
  /** Nothing older than the agent is its own. */
  private readonly since: number;
  /** How the entry in the environment begins, as it is read there. */
  private readonly entry: string;

  constructor(
    /** Processes whose marker begins so are the agent's. */
    marker: string,
    private readonly leader?: number,
  ) {
    this.entry = Buffer.from(`${markerVariable}=${marker}`).toString(procEncoding);
    if (leader !== undefined) this.leaders.add(leader);
    this.since = (leader !== undefined && statOf(leader)?.startedAt) || 0;
  }

  /** Looks for all that live now; zombies do not. */
  count(): number {
    this.look();
    return this.members.size;
  }

  /** As `count`, at a small part of its cost: looks only for those it knows and who descends from them. */
  countNear(): number {
    const unseen = [...this.members.values()];
    for (let known = unseen.pop(); known; known = unseen.pop()) {
      const stat = statOf(known.pid);
      if (stat?.startedAt !== known.startedAt) {
        this.members.delete(known.pid);
        continue;
      }
      this.admit(stat);
      const born = childrenOf(stat.pid).filter((pid) => !this.members.has(pid));
      unseen.push(...born.map(statOf).filter((child) => child !== undefined));
    }
    return this.members.size;
  }

  /** MiB in use by those seen at the last look. Exact only above `enough`: what is shared is counted once then. */
  memoryMib(enough: number): number {
    const pids = [...this.members.keys()];
    const atMost = sum(pids.map((pid) => kibibytes(pid, 'status', /^VmRSS:\s+(\d+)/m))) / 1024;
    if (atMost <= enough) return atMost;
    const shares = pids.map(
      (pid) => kibibytes(pid, 'smaps_rollup', /^Pss:\s+(\d+)/m) || kibibytes(pid, 'status', /^VmRSS:\s+(\d+)/m),
    );
    return sum(shares) / 1024;
  }

  /** Sends the signal to everybody of the agent. */
  signal(signal: NodeJS.Signals): void {
    // At once for the whole group: somebody who forks meanwhile is not missed.
    if (this.leader !== undefined) kill(-this.leader, signal);
    this.look();
    const groups = new Set([...this.members.values()].map(({ group }) => group).filter((group) => this.isOwn(group)));
    for (const group of groups) if (group !== this.leader) kill(-group, signal);
    for (const { pid, group } of this.members.values()) if (!groups.has(group)) kill(pid, signal);
  }

  /** Kills until nobody is left, for at most `withinMs`; answers how many are. */
  async end(withinMs: number): Promise<number> {
    const deadline = performance.now() + withinMs;
    for (;;) {
      this.signal('SIGKILL');
      // Twice, since who is born while the list is read may stand in neither half of it.
      if (this.members.size === 0 && this.count() === 0) return 0;
      if (performance.now() > deadline) return this.members.size;
      await delay(lookAgainMs);
    }
  }

  private look(): void {
    const all = processes();
    const found = new Map<number, ProcessStat>();
    for (const stat of all.values()) if (this.isMember(stat)) found.set(stat.pid, stat);
    addDescendants(found, all);
    this.members = new Map();
    for (const stat of found.values()) this.admit(stat);
    this.forgetOver(all);
  }

  private admit(stat: ProcessStat): void {
    const { pid, group, session } = stat;
    this.members.set(pid, stat);
    if (pid === group || pid === session) this.leaders.add(pid);
  }

  private isMember(stat: ProcessStat): boolean {
    if (stat.startedAt < this.since || stat.pid === process.pid) return false;
    if (this.members.get(stat.pid)?.startedAt === stat.startedAt) return true;
    return this.isOwn(stat.session) || this.isOwn(stat.group) || this.isMarked(stat);
  }

  private isOwn(group: number): boolean {
    return this.leaders.has(group);
  }

  private isMarked({ pid, startedAt }: ProcessStat): boolean {
    if (this.strangers.get(pid) === startedAt) return false;
    const environment = read(pid, 'environ');
    if (environment.split('\0').some((entry) => entry.startsWith(this.entry))) return true;
    // A process in the middle of exec() has none, and may be ours.
    if (environment !== '') this.strangers.set(pid, startedAt);
    return false;
  }

  private forgetOver(all: ReadonlyMap<number, ProcessStat>): void {
    for (const pid of this.strangers.keys()) if (!all.has(pid)) this.strangers.delete(pid);
    const named = new Set([...all.values()].flatMap(({ group, session }) => [group, session]));
    for (const pid of this.leaders) if (!named.has(pid) && pid !== this.leader) this.leaders.delete(pid);
  }
}

function addDescendants(found: Map<number, ProcessStat>, all: ReadonlyMap<number, ProcessStat>): void {
  const children = new Map<number, ProcessStat[]>();
  for (const stat of all.values()) children.set(stat.parent, [...(children.get(stat.parent) ?? []), stat]);
  const unseen = [...found.keys()];
  for (let pid = unseen.pop(); pid !== undefined; pid = unseen.pop()) {
    for (const child of children.get(pid) ?? []) {
      if (found.has(child.pid)) continue;
      found.set(child.pid, child);
      unseen.push(child.pid);
    }
  }
}

/** Everybody who lives on this machine, by pid; empty where there is no /proc. */
function processes(): Map<number, ProcessStat> {
  const all = new Map<number, ProcessStat>();
  for (const name of namesIn('/proc')) {
    const stat = statOf(Number(name));
    if (stat) all.set(stat.pid, stat);
  }
  return all;
}

/** The entries that are numbers; none where there is no such folder (any more). */
function namesIn(folder: string): string[] {
  try {
    return readdirSync(folder).filter((name) => /^\d+$/.test(name));
  } catch {
    return [];
  }
}

/** Of each thread's own, as some programs start others from any of theirs; empty where the kernel does not tell. */
function childrenOf(pid: number): number[] {
  const threads = namesIn(`/proc/${pid}/task`);
  return threads.flatMap((thread) => read(pid, `task/${thread}/children`).split(' ').filter(Boolean).map(Number));
}

function statOf(pid: number): ProcessStat | undefined {
  const line = read(pid, 'stat');
  // The name before it may hold anything, also spaces and brackets.
  const [state = 'X', parent, group, session, ...rest] = line.slice(line.lastIndexOf(')') + 2).split(' ');
  if (line === '' || state === 'Z' || state === 'X') return undefined;
  return {
    pid,
    parent: Number(parent),
    group: Number(group),
    session: Number(session),
    // Field 22, the 16th after the session.
    startedAt: Number(rest[15]),
  };
}

function kibibytes(pid: number, file: string, form: RegExp): number {
  return Number(form.exec(read(pid, file))?.[1] ?? 0);
}

/** Empty when the process has gone, or is somebody else's. */
function read(pid: number, file: string): string {
  try {
    return readFileSync(`/proc/${pid}/${file}`, procEncoding);
  } catch {
    return '';
  }
}

function kill(pid: number, signal: NodeJS.Signals): void {
  try {
    process.kill(pid, signal);
  } catch {
    // It has ended.
  }
}

function sum(numbers: readonly number[]): number {
  return numbers.reduce((total, number) => total + number, 0);
}
