import { AsyncLocalStorage } from 'node:async_hooks';
import { randomUUID } from 'node:crypto';
import { Module, type DynamicModule } from '@nestjs/common';
import { NestFactory } from '@nestjs/core';
import { createDataSource, platformPersistence, UnitOfWork } from '@holdfast/platform-postgres';
import { PostgresSignals, RedisSignals, Signals } from '@holdfast/platform-signals';
import { testPostgres } from '@holdfast/testing';
import type { DataSource } from 'typeorm';
import {
  DEFAULT_DURABLE_STREAMS_CONFIG,
  DurableStreamsModule,
  durableStreamsPersistence,
  type DurableStreamsConfig,
} from '../src/index.js';

const persistence = [platformPersistence, durableStreamsPersistence];

/** Set within the timers of a process. */
export const atIntervals = new AsyncLocalStorage<true>();

export interface EngineOptions<Work extends UnitOfWork> {
  /** Another process's database; a new one by default. */
  url?: string;
  /** Signals go through it; through PostgreSQL by default. */
  redisUrl?: string;
  config?: Partial<DurableStreamsConfig>;
  unitOfWorkOf: (dataSource: DataSource) => Work;
}

@Module({})
class Process {
  static with(unitOfWork: UnitOfWork, signals: Signals, config: Partial<DurableStreamsConfig>): DynamicModule {
    const providers = [
      { provide: UnitOfWork, useValue: unitOfWork },
      { provide: Signals, useValue: signals },
    ];
    const engine = DurableStreamsModule.forRoot({ ...DEFAULT_DURABLE_STREAMS_CONFIG, ...config });
    return { module: Process, global: true, imports: [engine], providers, exports: [UnitOfWork, Signals] };
  }
}

/** The library as one process has it. Stop those of one database in the order in which they were started, last first. */
export async function startEngine<Work extends UnitOfWork>(options: EngineOptions<Work>) {
  const database = options.url === undefined ? await testPostgres(persistence) : undefined;
  const url = options.url ?? database!.url;
  const connection = { url, poolSize: 6, applicationName: `test-${randomUUID()}` };
  const dataSource = await createDataSource(connection, persistence).initialize();
  const unitOfWork = options.unitOfWorkOf(dataSource);
  const { redisUrl } = options;
  const signals = redisUrl ? await RedisSignals.connect(redisUrl) : await PostgresSignals.connect(url);
  const process = Process.with(unitOfWork, signals, options.config ?? {});
  const app = await atIntervals.run(true, () => NestFactory.createApplicationContext(process, { logger: ['error'] }));
  return {
    url,
    unitOfWork,
    signals,
    app,
    async stop(): Promise<void> {
      await app.close();
      await signals.onApplicationShutdown();
      await dataSource.destroy();
      await database?.drop();
    },
  };
}
