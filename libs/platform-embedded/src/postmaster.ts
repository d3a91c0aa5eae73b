import { readFileSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import type { PostgresHome } from './postgres-home.js';
import { runningProcess } from './running-process.js';

const FAST_STOP_MS = 10_000;

/** Reads `postmaster.pid`: line 1 is the process id, line 8 the state (PostgreSQL's miscadmin.h, LOCK_FILE_LINE_*). */
export function readPostmaster(cluster: string): { pid: number; isReady: boolean } | undefined {
  try {
    const lines = readFileSync(join(cluster, 'postmaster.pid'), 'utf8').split('\n');
    return { pid: Number(lines[0]), isReady: lines[7]?.trim() === 'ready' };
  } catch {
    return undefined;
  }
}

/**
 * Stops the server that a crashed supervisor left behind on this cluster, and removes a lock file whose process id now
 * belongs to some other program (PostgreSQL itself only recognises a dead one).
 */
export async function clearLeftBehind(home: PostgresHome, onNotice: (message: string) => void): Promise<void> {
  const postmaster = readPostmaster(home.cluster);
  if (!postmaster) return;
  const { pid } = postmaster;
  const found = runningProcess(pid);
  if (!found) return;
  if (!found.command.includes(`-D ${home.cluster} `)) {
    rmSync(join(home.cluster, 'postmaster.pid'));
    return;
  }
  if (found.parentPid === supervisorOf(home)) {
    throw new Error(`${home.cluster} is in use: process ${found.parentPid} runs PostgreSQL on it (process ${pid})`);
  }
  onNotice(`stopping PostgreSQL (process ${pid}), which an earlier run left behind`);
  await stopProcess(pid);
}

/** A process whose supervisor died has another parent now. */
function supervisorOf({ supervisorFile }: PostgresHome): number | undefined {
  try {
    return Number(readFileSync(supervisorFile, 'utf8'));
  } catch {
    return undefined;
  }
}

async function stopProcess(pid: number): Promise<void> {
  // SIGINT is PostgreSQL's fast shutdown, SIGQUIT its immediate one (recovery at the next start).
  for (const signal of ['SIGINT', 'SIGQUIT', 'SIGKILL'] as const) {
    const deadline = Date.now() + FAST_STOP_MS;
    try {
      process.kill(pid, signal);
    } catch {
      return;
    }
    while (Date.now() < deadline) {
      if (!runningProcess(pid)) return;
      await sleep(20);
    }
  }
  throw new Error(`PostgreSQL (process ${pid}), which an earlier run left behind, does not end`);
}
