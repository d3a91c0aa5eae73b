import { createHash, randomBytes } from 'node:crypto';
import pg from 'pg';
import { DataSource, type MigrationInterface } from 'typeorm';
import { serviceUrl, testRun } from './test-environment.js';

/** A library's `Persistence`; only its migrations matter here. */
interface Migrated {
  migrations: (new (...args: never[]) => MigrationInterface)[];
}

/** A database of one test file. */
export interface TestPostgres {
  url: string;
  /** Removes it, with any connection still open. */
  drop(): Promise<void>;
}

/** Any number: it only has to be the same for everybody who makes templates on the server. */
const TEMPLATE_LOCK = 7_203_113;

/**
 * Makes a fresh database with the migrations of `persistence` run. They run once per test run and set of migrations;
 * every caller gets a copy of that template.
 */
export async function testPostgres(persistence: Migrated[] = []): Promise<TestPostgres> {
  const server = serviceUrl('HOLDFAST_TEST_POSTGRES_URL');
  if (!server)
    throw new Error('HOLDFAST_TEST_POSTGRES_URL is not set: run tests with Jest and the preset of this repository');
  const name = `test_${testRun()}_${randomBytes(6).toString('hex')}`;
  await withAdmin(server, async (admin) => {
    const template = await ensureTemplate(admin, server, persistence);
    await admin.query(`CREATE DATABASE ${name} TEMPLATE ${template}`);
  });
  return {
    url: databaseUrl(server, name),
    drop: () =>
      withAdmin(server, async (admin) => void (await admin.query(`DROP DATABASE IF EXISTS ${name} WITH (FORCE)`))),
  };
}

async function ensureTemplate(admin: pg.Client, server: string, persistence: Migrated[]): Promise<string> {
  const migrations = persistence.flatMap((part) => part.migrations);
  if (migrations.length === 0) return 'template0';
  const sources = migrations.map((migration) => `${migration.name} ${migration.toString()}`).sort();
  const template = `template_${testRun()}_${createHash('sha256').update(sources.join()).digest('hex').slice(0, 12)}`;

  await admin.query('SELECT pg_advisory_lock($1)', [TEMPLATE_LOCK]);
  const { rowCount } = await admin.query('SELECT 1 FROM pg_database WHERE datname = $1', [template]);
  if (rowCount === 0) {
    // Renamed when complete, so that a migration that fails leaves no half-made template.
    const unfinished = `${template}_new`;
    await admin.query(`DROP DATABASE IF EXISTS ${unfinished} WITH (FORCE)`);
    await admin.query(`CREATE DATABASE ${unfinished}`);
    await runMigrations(databaseUrl(server, unfinished), migrations);
    await admin.query(`ALTER DATABASE ${unfinished} RENAME TO ${template}`);
  }
  await admin.query('SELECT pg_advisory_unlock($1)', [TEMPLATE_LOCK]);
  return template;
}

/** As platform-postgres does it; its own tests need this library, so it cannot be asked. */
async function runMigrations(url: string, migrations: Migrated['migrations']): Promise<void> {
  const dataSource = new DataSource({
    type: 'postgres',
    url,
    migrations,
    migrationsTableName: 'schema_migrations',
    migrationsTransactionMode: 'each',
  });
  await dataSource.initialize();
  try {
    await dataSource.runMigrations();
  } finally {
    await dataSource.destroy();
  }
}

async function withAdmin(server: string, work: (admin: pg.Client) => Promise<void>): Promise<void> {
  const admin = new pg.Client({ connectionString: server });
  await admin.connect();
  try {
    await work(admin);
  } finally {
    await admin.end();
  }
}

function databaseUrl(server: string, database: string): string {
  const url = new URL(server);
  url.pathname = `/${database}`;
  return url.href;
}
