import { setTimeout as pause } from 'node:timers/promises';
import { Logger } from '@nestjs/common';
import { MigrationExecutor, type DataSource } from 'typeorm';
import { createMigrationDataSource, type Persistence, type PostgresConfig } from './data-source.js';

/** Any number: it only has to be the same for everybody who migrates this database. */
const MIGRATION_LOCK = 4_820_391;

/** How often a migration is tried that others leave no room. */
const MAX_TRIES = 60;
/** Between two tries: what waited for the migration goes on first. */
const PAUSE_MS = 1_000;
/** lock_not_available, deadlock_detected (https://www.postgresql.org/docs/current/errcodes-appendix.html). */
const MADE_WAY = ['55P03', '40P01'];

/** Runs what is not yet run, in time order over all libraries, and returns the names of what ran. */
export async function migrate(config: PostgresConfig, persistence: Persistence[]): Promise<string[]> {
  const dataSource = await createMigrationDataSource({ ...config, poolSize: 2 }, persistence).initialize();
  const lock = dataSource.createQueryRunner();
  try {
    await lock.query('SELECT pg_advisory_lock($1)', [MIGRATION_LOCK]);
    return await runAll(dataSource);
  } finally {
    await lock.query('SELECT pg_advisory_unlock($1)', [MIGRATION_LOCK]).catch(() => undefined);
    await lock.release();
    await dataSource.destroy();
  }
}

/** One that gives up its locks, so that the application can go on, is tried again; those before it stay. */
async function runAll(dataSource: DataSource): Promise<string[]> {
  const pending = await new MigrationExecutor(dataSource).getPendingMigrations();
  for (let tries = 1; ; tries++) {
    try {
      await dataSource.runMigrations();
      return pending.map(({ name }) => name);
    } catch (error) {
      const { code, message } = error as { code?: string; message: string };
      if (tries === MAX_TRIES || !MADE_WAY.includes(code ?? '')) throw error;
      new Logger('migrate').warn(`A migration made way for the application and is tried again (${tries}): ${message}`);
      await pause(PAUSE_MS);
    }
  }
}
