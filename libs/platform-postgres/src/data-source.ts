import pg from 'pg';
import { DataSource, type MigrationInterface } from 'typeorm';

type Class<T> = new (...args: never[]) => T;

/** What a library keeps in PostgreSQL: its entities (private to it) and its migrations. */
export interface Persistence {
  entities: Class<object>[];
  migrations: Class<MigrationInterface>[];
}

/** How to reach PostgreSQL. */
export interface PostgresConfig {
  /** `postgres://user:password@host:port/database`. May be a pooler in transaction mode. */
  url: string;
  /** Connections this process may hold. */
  poolSize: number;
  /** Shown in `pg_stat_activity`. */
  applicationName: string;
}

const INT8 = 20;
const INT8_ARRAY = 1016;
const parseStringArray = pg.types.getTypeParser(INT8_ARRAY as never) as unknown as (text: string) => string[];

/** int8 as a number: offsets, epochs and versions stay below 2^53, and a string would compare wrongly. */
const NUMBER_PARSERS: Record<number, (text: string) => unknown> = {
  [INT8]: Number,
  [INT8_ARRAY]: (text) => parseStringArray(text).map(Number),
};

const typeParsers = {
  getTypeParser: ((oid: number, format?: 'text' | 'binary') =>
    (format !== 'binary' && NUMBER_PARSERS[oid]) ||
    pg.types.getTypeParser(oid, format as 'text')) as typeof pg.types.getTypeParser,
};

/**
 * Nothing waits without limit: not for a statement, not for a lock, and no transaction of a frozen process keeps its
 * locks. They travel as start-up parameters, which a PgBouncer in front must be told to let pass
 * (`ignore_startup_parameters`). Milliseconds.
 */
const DEADLINES = {
  statement_timeout: 30_000,
  lock_timeout: 10_000,
  idle_in_transaction_session_timeout: 15_000,
  query_timeout: 35_000,
  keepAlive: true,
};

/** A data source that never changes the schema by itself. */
export function createDataSource(config: PostgresConfig, persistence: Persistence[]): DataSource {
  return new DataSource({ ...optionsOf(config, persistence), extra: { types: typeParsers, ...DEADLINES } });
}

/** For migrations, which may take as long as they need. */
export function createMigrationDataSource(config: PostgresConfig, persistence: Persistence[]): DataSource {
  return new DataSource({ ...optionsOf(config, persistence), extra: { types: typeParsers } });
}

function optionsOf(config: PostgresConfig, persistence: Persistence[]) {
  return {
    type: 'postgres' as const,
    url: config.url,
    poolSize: config.poolSize,
    applicationName: config.applicationName,
    connectTimeoutMS: 10_000,
    entities: persistence.flatMap((part) => part.entities),
    migrations: persistence.flatMap((part) => part.migrations),
    migrationsTableName: 'schema_migrations',
    migrationsTransactionMode: 'each' as const,
  };
}
