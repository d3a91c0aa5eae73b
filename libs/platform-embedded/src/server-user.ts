import { readFileSync, statSync } from 'node:fs';
import { dirname } from 'node:path';

/** Who a server runs as, in the form that `spawn` takes. */
export interface ServerUser {
  uid: number;
  gid: number;
}

const CUSTOMARY_NOBODY: ServerUser = { uid: 65534, gid: 65534 };

/** PostgreSQL refuses to run as root. `nobody` exists everywhere, so no account has to be made. */
export function nobody(): ServerUser {
  const entry = readFileSync('/etc/passwd', 'utf8').match(/^nobody:[^:]*:(\d+):(\d+):/m);
  return entry ? { uid: Number(entry[1]), gid: Number(entry[2]) } : CUSTOMARY_NOBODY;
}

export function isRoot(): boolean {
  return process.getuid?.() === 0;
}

/** Whether `user` may walk down to `path`, judged by the mode bits of every folder above it. */
export function canReach(user: ServerUser, path: string): boolean {
  const parent = dirname(path);
  if (parent === path) return true;
  const { mode, uid, gid } = statSync(parent);
  const bit = uid === user.uid ? 0o100 : gid === user.gid ? 0o010 : 0o001;
  return (mode & bit) !== 0 && canReach(user, parent);
}
