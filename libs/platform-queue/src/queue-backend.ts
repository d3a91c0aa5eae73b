import { setTimeout as sleep } from 'node:timers/promises';
import { Logger, type OnApplicationShutdown } from '@nestjs/common';
import { createRedis, type Redis } from '@holdfast/platform-redis';
import { createPostgresBackend, setDefaultBackendFactory, Worker, type ConnectionOptions } from 'bullmq';

/** The PostgreSQL schema that BullMQ owns. */
export const QUEUE_SCHEMA = 'bullmq';

/** Each queue and each worker opens a pool of its own, and PostgreSQL has few connections. */
const POOL_SIZE = 2;

const CLOSE_WITHIN_MS = 5_000;

/** Where BullMQ keeps its jobs: Redis where there is one, PostgreSQL otherwise. */
export class QueueBackend implements OnApplicationShutdown {
  readonly connection: ConnectionOptions;
  private readonly redis: Redis | undefined;

  constructor(postgresUrl: string, redisUrl: string | undefined) {
    // BullMQ's backend is a setting of the process: @nestjs/bullmq has no option for it.
    setDefaultBackendFactory(redisUrl ? undefined : createPostgresBackend);
    this.redis = redisUrl ? createRedis(redisUrl, { name: 'holdfast-queue', whileAway: 'wait' }) : undefined;
    this.connection = this.redis ?? postgresConnection(postgresUrl);
  }

  get isPostgres(): boolean {
    return !this.redis;
  }

  /** Whether a job can be handed over now. PostgreSQL counts as reachable: without it there is no outbox to read. */
  get isReachable(): boolean {
    return this.isPostgres || this.redis?.status === 'ready';
  }

  onApplicationShutdown(): void {
    this.redis?.disconnect();
  }
}

/** A worker that speaks through the app's log, and whose close has an end. */
export class AppWorker extends Worker {
  constructor(...args: ConstructorParameters<typeof Worker>) {
    super(...args);
    const logger = new Logger('Jobs');
    this.on('error', (error) => logger.warn({ event: 'worker.error', queue: this.name, reason: error.message }));
    this.on('stalled', (job_id) => logger.warn({ event: 'job.stalled', queue: this.name, job_id }));
  }

  /**
   * Lets jobs at work end, for 5 s at most: handlers are safe to kill, and their rows come again. While Redis is away,
   * BullMQ would wait for it.
   */
  override async close(force?: boolean): Promise<void> {
    const deadline = new AbortController();
    const late = sleep(CLOSE_WITHIN_MS, undefined, { signal: deadline.signal }).catch(() => undefined);
    await Promise.race([super.close(force), late]);
    deadline.abort();
  }
}

function postgresConnection(connectionString: string): ConnectionOptions {
  const connection = {
    connectionString,
    schema: QUEUE_SCHEMA,
    max: POOL_SIZE,
    application_name: 'holdfast-queue',
    connectionTimeoutMillis: 10_000,
  };
  // The type knows Redis only; what the PostgreSQL backend takes is its PostgresConnectionOptions.
  return connection as unknown as ConnectionOptions;
}
