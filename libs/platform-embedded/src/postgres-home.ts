import { createHash } from 'node:crypto';
import {
  chmodSync,
  chownSync,
  existsSync,
  mkdirSync,
  readFileSync,
  realpathSync,
  statSync,
  writeFileSync,
} from 'node:fs';
import { join, resolve } from 'node:path';
import { SHARED_FOLDER } from './shared-folder.js';
import { canReach, isRoot, nobody, type ServerUser } from './server-user.js';

/** The folder of one embedded PostgreSQL and who runs it. */
export interface PostgresHome {
  /** PGDATA. */
  cluster: string;
  /** The superuser's password, made with the cluster. */
  passwordFile: string;
  logFile: string;
  /** Holds the id of the process that started the server. */
  supervisorFile: string;
  /** Undefined: the present user. */
  user: ServerUser | undefined;
}

const POINTER = 'location';

/**
 * Opens or makes the folder `dataDir`. Where root's server user could not reach it, the data lies in a folder that it
 * can reach, and the file `location` in `dataDir` names that one.
 */
export function openPostgresHome(dataDir: string, onNotice: (message: string) => void): PostgresHome {
  mkdirSync(resolve(dataDir), { recursive: true });
  const asked = realpathSync(dataDir);
  if (existsSync(join(asked, POINTER))) return pointedHome(asked);
  if (existsSync(join(asked, 'cluster'))) return homeIn(asked, ownerOf(join(asked, 'cluster')));
  if (!isRoot()) return homeIn(asked, undefined);

  const user = nobody();
  if (canReach(user, asked)) return owned(asked, user);
  const name = `postgres-${createHash('sha256').update(asked).digest('hex').slice(0, 16)}`;
  const moved = join(SHARED_FOLDER, name);
  mkdirSync(moved, { recursive: true });
  chmodSync(SHARED_FOLDER, 0o755);
  writeFileSync(join(asked, POINTER), `${moved}\n`);
  onNotice(`PostgreSQL keeps its data in ${moved}: its user cannot reach ${asked}`);
  return owned(moved, user);
}

function pointedHome(asked: string): PostgresHome {
  const pointer = join(asked, POINTER);
  const moved = readFileSync(pointer, 'utf8').trim();
  if (!existsSync(moved)) {
    throw new Error(
      `the data folder ${moved} named by ${pointer} is gone; restore it, or delete ${pointer} to start empty`,
    );
  }
  return owned(moved, ownerOf(moved) ?? nobody());
}

/** A cluster can only be run by its owner. */
function ownerOf(folder: string): ServerUser | undefined {
  const { uid, gid } = statSync(folder);
  if (uid === process.getuid?.()) return undefined;
  if (!isRoot())
    throw new Error(`${folder} belongs to user id ${uid}; run as that user, as root, or use another folder`);
  return { uid, gid };
}

function owned(folder: string, user: ServerUser): PostgresHome {
  chownSync(folder, user.uid, user.gid);
  chmodSync(folder, 0o700);
  return homeIn(folder, user);
}

function homeIn(folder: string, user: ServerUser | undefined): PostgresHome {
  return {
    cluster: join(folder, 'cluster'),
    passwordFile: join(folder, 'password'),
    logFile: join(folder, 'server.log'),
    supervisorFile: join(folder, 'supervisor.pid'),
    user,
  };
}
