import { Global, Inject, Module, type DynamicModule, type OnApplicationShutdown } from '@nestjs/common';
import { DataSource } from 'typeorm';
import { createDataSource, type Persistence, type PostgresConfig } from './data-source.js';
import { IdempotencyKeys } from './idempotency-keys.js';
import { Outbox } from './outbox.js';
import { SessionFences } from './session-fences.js';
import { UnitOfWork } from './unit-of-work.js';

/** PostgreSQL for the whole app. Needs an `OutboxBell` from another global module (platform-queue). */
@Global()
@Module({})
export class PostgresModule implements OnApplicationShutdown {
  constructor(@Inject(DataSource) private readonly dataSource: DataSource) {}

  static forRoot(config: PostgresConfig, persistence: Persistence[]): DynamicModule {
    return {
      module: PostgresModule,
      providers: [
        { provide: DataSource, useFactory: () => createDataSource(config, persistence).initialize() },
        UnitOfWork,
        SessionFences,
        Outbox,
        IdempotencyKeys,
      ],
      exports: [DataSource, UnitOfWork, SessionFences, Outbox, IdempotencyKeys],
    };
  }

  async onApplicationShutdown(): Promise<void> {
    await this.dataSource.destroy();
  }
}
