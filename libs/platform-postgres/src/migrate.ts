import { createMigrationDataSource, type Persistence, type PostgresConfig } from './data-source.js';

/** Any number: it only has to be the same for everybody who migrates this database. */
const MIGRATION_LOCK = 4_820_391;

/** Runs what is not yet run, in time order over all libraries, and returns the names of what ran. */
export async function migrate(config: PostgresConfig, persistence: Persistence[]): Promise<string[]> {
  const dataSource = await createMigrationDataSource({ ...config, poolSize: 2 }, persistence).initialize();
  const lock = dataSource.createQueryRunner();
  try {
    await lock.query('SELECT pg_advisory_lock($1)', [MIGRATION_LOCK]);
    return (await dataSource.runMigrations()).map((migration) => migration.name);
  } finally {
    await lock.query('SELECT pg_advisory_unlock($1)', [MIGRATION_LOCK]).catch(() => undefined);
    await lock.release();
    await dataSource.destroy();
  }
}
