import { execFileSync } from 'node:child_process';
import { readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';

/** Makes this process the only `npm start` of the folder; gives what ends that. */
export function lockHome(home) {
  const file = join(home, 'start.pid');
  for (;;) {
    try {
      writeFileSync(file, String(process.pid), { flag: 'wx' });
      return () => rmSync(file, { force: true });
    } catch (error) {
      if (error.code !== 'EEXIST') throw error;
    }
    const pid = Number(readFileSync(file, 'utf8'));
    if (isStart(pid)) {
      throw new Error(
        `npm start is already at work on ${home} (process ${pid}). Stop that one, or set HOLDFAST_HOME to another folder.`,
      );
    }
    rmSync(file, { force: true });
  }
}

/** A process id alone proves nothing: after a crash another program may have it. */
function isStart(pid) {
  try {
    const command =
      process.platform === 'linux'
        ? readFileSync(`/proc/${pid}/cmdline`, 'utf8')
        : execFileSync('ps', ['-o', 'command=', '-p', String(pid)], { encoding: 'utf8' });
    return pid !== process.pid && command.includes('start.mjs');
  } catch {
    return false;
  }
}
