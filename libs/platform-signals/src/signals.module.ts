import { Module, type DynamicModule } from '@nestjs/common';
import { PostgresSignals } from './postgres-signals.js';
import { RedisSignals } from './redis-signals.js';
import { Signals } from './signals.js';

export interface SignalsConfig {
  /** A direct connection: a pooler in transaction mode cannot `LISTEN`. */
  postgresUrl: string;
  /** Where there is a Redis, signals go through it. */
  redisUrl?: string;
}

/** Signals for the whole app. */
@Module({})
export class SignalsModule {
  static forRoot({ postgresUrl, redisUrl }: SignalsConfig): DynamicModule {
    return {
      module: SignalsModule,
      global: true,
      providers: [
        {
          provide: Signals,
          useFactory: () => (redisUrl ? RedisSignals.connect(redisUrl) : PostgresSignals.connect(postgresUrl)),
        },
      ],
      exports: [Signals],
    };
  }
}
