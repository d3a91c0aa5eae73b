import { randomUUID } from 'node:crypto';
import { link, mkdir, readFile, rename, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';

interface Holder {
  pid: number;
  /** Tells the process from a later one under the same pid; null where the system does not say. */
  startedAt: string | null;
}

/** Another runner works in this folder. */
export class FolderInUse extends Error {
  override readonly name = 'FolderInUse';
}

/** Keeps a runner's folder for one process: two runners would run two agents in one session's files. */
export class RunnerLock {
  private constructor(
    private readonly path: string,
    private readonly text: string,
  ) {}

  /** Throws FolderInUse while another live process holds `folder`. */
  static async take(folder: string): Promise<RunnerLock> {
    await mkdir(folder, { recursive: true, mode: 0o700 });
    const path = join(folder, 'runner.lock');
    const text = JSON.stringify({ pid: process.pid, startedAt: await startOf(process.pid) } satisfies Holder);
    const mine = `${path}.${randomUUID()}`;
    await writeFile(mine, text, { mode: 0o600 });
    try {
      for (;;) {
        if (await tryLink(mine, path)) return new RunnerLock(path, text);
        await removeIfStale(path, folder);
      }
    } finally {
      await rm(mine, { force: true });
    }
  }

  async release(): Promise<void> {
    if ((await readIfThere(this.path)) === this.text) await rm(this.path, { force: true });
  }
}

/** link() is the one call that both creates and refuses to replace, with the content already in place. */
async function tryLink(from: string, to: string): Promise<boolean> {
  try {
    await link(from, to);
    return true;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'EEXIST') return false;
    throw error;
  }
}

async function removeIfStale(path: string, folder: string): Promise<void> {
  const text = await readIfThere(path);
  if (text === undefined) return;
  const holder = parseHolder(text);
  if (holder && (await isAlive(holder))) {
    throw new FolderInUse(
      `Another runner (process ${holder.pid}) works in ${folder}. Give each runner a HOLDFAST_RUNNER_DIR of its own.`,
    );
  }
  // Two starters may both see the dead holder: only what was read may be removed, never the other one's new lock.
  const aside = `${path}.${randomUUID()}`;
  await rename(path, aside).catch(ignoreMissing);
  if ((await readIfThere(aside)) !== text) await tryLink(aside, path).catch(ignoreMissing);
  await rm(aside, { force: true });
}

function parseHolder(text: string): Holder | undefined {
  try {
    const holder = JSON.parse(text) as Holder;
    return Number.isSafeInteger(holder.pid) && holder.pid > 0 ? holder : undefined;
  } catch {
    return undefined;
  }
}

async function isAlive(holder: Holder): Promise<boolean> {
  try {
    process.kill(holder.pid, 0);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ESRCH') return false;
  }
  const startedAt = await startOf(holder.pid);
  return holder.startedAt === null || startedAt === null || holder.startedAt === startedAt;
}

/** Boot id and start time in ticks (proc(5), field 22 of stat). */
async function startOf(pid: number): Promise<string | null> {
  try {
    const [bootId, stat] = await Promise.all([
      readFile('/proc/sys/kernel/random/boot_id', 'utf8'),
      readFile(`/proc/${pid}/stat`, 'utf8'),
    ]);
    const afterName = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
    return `${bootId.trim()}:${afterName[19]}`;
  } catch {
    return null;
  }
}

async function readIfThere(path: string): Promise<string | undefined> {
  return await readFile(path, 'utf8').catch(ignoreMissing);
}

function ignoreMissing(error: NodeJS.ErrnoException): undefined {
  if (error.code !== 'ENOENT') throw error;
  return undefined;
}
