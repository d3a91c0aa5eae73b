import { BullModule, getQueueToken } from '@nestjs/bullmq';
import { Module, type DynamicModule } from '@nestjs/common';
import { OutboxBell } from '@holdfast/platform-postgres';
import type { Queue } from 'bullmq';
import { JobHandlers } from './job-handlers.js';
import { JobQueues } from './job-queues.js';
import { Jobs } from './jobs.js';
import { SignalledOutboxBell } from './outbox-signal.js';
import { AppWorker, QueueBackend } from './queue-backend.js';

export interface QueueConfig {
  /** A direct connection: BullMQ listens on it. */
  postgresUrl: string;
  /** Where there is a Redis, queues are there. */
  redisUrl?: string;
  /** The queues that this process hands jobs to or works on. With none it leaves jobs only, and holds no connection. */
  queues: string[];
}

/** Jobs for the whole app. Needs PostgresModule, SignalsModule and TelemetryModule. */
@Module({})
export class QueueModule {
  static forRoot({ postgresUrl, redisUrl, queues }: QueueConfig): DynamicModule {
    const bell = { provide: OutboxBell, useClass: SignalledOutboxBell };
    const always = { module: QueueModule, global: true, providers: [bell, Jobs], exports: [bell, Jobs] };
    if (queues.length === 0) return always;

    BullModule.workerClass = AppWorker;
    const backend = { provide: QueueBackend, useFactory: () => new QueueBackend(postgresUrl, redisUrl) };
    const jobQueues = {
      provide: JobQueues,
      useFactory: (backend: QueueBackend, ...queues: Queue[]) => new JobQueues(backend, queues),
      inject: [QueueBackend, ...queues.map((name) => getQueueToken(name))],
    };
    return {
      ...always,
      imports: [
        BullModule.forRootAsync({
          useFactory: ({ connection }: QueueBackend) => ({ connection }),
          inject: [QueueBackend],
        }),
        BullModule.registerQueue(...queues.map((name) => ({ name }))),
      ],
      providers: [...always.providers, backend, jobQueues, JobHandlers],
      exports: [...always.exports, QueueBackend, JobQueues, JobHandlers],
    };
  }
}
