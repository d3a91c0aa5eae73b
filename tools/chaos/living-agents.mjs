import { readdirSync, readFileSync, readlinkSync } from 'node:fs';

/**
 * The processes that runners of this run have started (agents, their children, watchdogs), recognised by where they
 * work: `{ pid, cwd, command }` for each whose working directory lies in `folder`, except the `runners` themselves.
 */
export function livingAgents(folder, runners) {
  return readdirSync('/proc').flatMap((name) => {
    const pid = Number(name);
    if (!Number.isInteger(pid) || runners.includes(pid)) return [];
    try {
      const cwd = readlinkSync(`/proc/${pid}/cwd`);
      if (!cwd.startsWith(`${folder}/`)) return [];
      return [{ pid, cwd, command: readFileSync(`/proc/${pid}/cmdline`, 'utf8').replaceAll('\0', ' ').trim() }];
    } catch {
      // It has ended since the folder was listed, or waits to be reaped.
      return [];
    }
  });
}
