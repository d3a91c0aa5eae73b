import { execFile, type ExecFileException } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { chownSync, existsSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { promisify } from 'node:util';
import type { PostgresBinaries } from './postgres-binaries.js';
import type { PostgresHome } from './postgres-home.js';

const run = promisify(execFile);

/** Makes the database cluster on first use, and refuses one that this PostgreSQL cannot read. */
export async function ensureCluster(home: PostgresHome, binaries: PostgresBinaries, durable: boolean): Promise<void> {
  if (!existsSync(home.cluster)) return makeCluster(home, binaries, durable);
  const made = Number.parseInt(readFileSync(join(home.cluster, 'PG_VERSION'), 'utf8'), 10);
  if (made !== binaries.majorVersion) {
    throw new Error(
      `${home.cluster} was made by PostgreSQL ${made}, and this is PostgreSQL ${binaries.majorVersion}; ` +
        'move that folder away to start empty, or restore its contents from a dump',
    );
  }
}

async function makeCluster(home: PostgresHome, { initdb }: PostgresBinaries, durable: boolean): Promise<void> {
  const { user, passwordFile } = home;
  // Renamed when complete, so that an interrupted initdb is never taken for a cluster.
  const unfinished = `${home.cluster}.new`;
  rmSync(unfinished, { recursive: true, force: true });
  writeFileSync(passwordFile, randomBytes(24).toString('hex'), { mode: 0o600 });
  if (user) chownSync(passwordFile, user.uid, user.gid);
  const args = ['-D', unfinished, '-U', 'postgres', '-A', 'scram-sha-256', '--pwfile', passwordFile, '-E', 'UTF8'];
  // The builtin provider sorts the same on every operating system.
  const locale = ['--locale=C', '--locale-provider=builtin', '--builtin-locale=C.UTF-8'];
  const sync = durable ? [] : ['--no-sync'];
  try {
    await run(initdb, [...args, ...locale, ...sync, '--no-instructions'], { ...user, cwd: '/', env: { LC_ALL: 'C' } });
  } catch (error) {
    const { stderr, message } = error as ExecFileException;
    throw new Error(`PostgreSQL could not make its data folder: ${stderr?.trim() || message}`, { cause: error });
  }
  renameSync(unfinished, home.cluster);
}
