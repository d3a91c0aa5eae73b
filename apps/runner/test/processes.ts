import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';

/** The built watchdog: it runs as a program of its own, so it is tested as one. */
export const watchdogPath = join(__dirname, '../dist/watchdog.js');

/** Whether the process runs; one that only waits to be reaped does not. */
export function isAlive(pid: number): boolean {
  try {
    if (!existsSync('/proc/self/status')) return process.kill(pid, 0);
    return !/^State:\s+[ZX]/m.test(readFileSync(`/proc/${pid}/status`, 'utf8'));
  } catch {
    return false;
  }
}

/** Resolves when the process is gone; fails after ten seconds. */
export async function processIsGone(pid: number): Promise<void> {
  const deadline = performance.now() + 10_000;
  while (isAlive(pid)) {
    if (performance.now() > deadline) throw new Error(`process ${pid} is still there`);
    await delay(20);
  }
}
