import { getQueueToken, Processor, WorkerHost } from '@nestjs/bullmq';
import type { INestApplicationContext } from '@nestjs/common';
import { Test } from '@nestjs/testing';
import { platformPersistence, PostgresModule } from '@holdfast/platform-postgres';
import { SignalsModule } from '@holdfast/platform-signals';
import { TelemetryModule } from '@holdfast/platform-telemetry';
import { testPostgres, testRedis, type TestPostgres, type TestRedis } from '@holdfast/testing';
import type { Queue } from 'bullmq';
import { IsInt, IsOptional, IsString, Max } from 'class-validator';
import {
  defineJob,
  JobHandlers,
  migrateQueues,
  OutboxRelay,
  QueueModule,
  type HandlersOf,
  type OutboxJob,
} from '../src/index.js';

export class Greeting {
  @IsString()
  name!: string;

  @IsOptional()
  @IsInt()
  @Max(3)
  times?: number;
}

export class Farewell {
  @IsString()
  to!: string;
}

export const greetingJobs = {
  greet: defineJob({ name: 'greet', queue: 'greetings', payload: Greeting }),
  partWith: defineJob({ name: 'part-with', queue: 'greetings', payload: Farewell }),
};

/** What the worker does with a job; each test sets its own. */
export const behaviour: HandlersOf<typeof greetingJobs> = {
  greet: async () => undefined,
  partWith: async () => undefined,
};

@Processor('greetings', { concurrency: 4 })
export class GreetingProcessor extends WorkerHost {
  constructor(private readonly jobs: JobHandlers) {
    super();
  }

  process(job: OutboxJob): Promise<void> {
    return this.jobs.handle(greetingJobs, job, behaviour);
  }
}

/** The real servers of one run of the suite. */
export class QueueServers {
  private constructor(
    readonly postgres: TestPostgres,
    private readonly redis: TestRedis | undefined,
  ) {}

  static async start(useRedis: boolean): Promise<QueueServers> {
    const servers = new QueueServers(
      await testPostgres([platformPersistence]),
      useRedis ? await testRedis() : undefined,
    );
    if (!useRedis) await migrateQueues(servers.postgres.url);
    return servers;
  }

  /** Like the workers app: it also relays and works. */
  startWorkers(): Promise<INestApplicationContext> {
    return startApp(this.postgres.url, this.redis?.url, true);
  }

  /** Like the api: it only leaves jobs. */
  startProducer(): Promise<INestApplicationContext> {
    return startApp(this.postgres.url, this.redis?.url, false);
  }

  /** Makes the queue forget every job. */
  async forgetJobs(app: INestApplicationContext): Promise<void> {
    if (this.redis) await this.redis.flush();
    else await app.get<Queue>(getQueueToken('greetings')).obliterate({ force: true });
  }

  async stop(): Promise<void> {
    await this.redis?.drop();
    await this.postgres.drop();
  }
}

export async function startApp(
  postgresUrl: string,
  redisUrl: string | undefined,
  isWorker: boolean,
): Promise<INestApplicationContext> {
  const module = await Test.createTestingModule({
    imports: [
      TelemetryModule.forRoot({ app: 'test', logLevel: 'silent', pretty: false }),
      PostgresModule.forRoot({ url: postgresUrl, poolSize: 5, applicationName: 'test' }, [platformPersistence]),
      SignalsModule.forRoot({ postgresUrl, redisUrl }),
      QueueModule.forRoot({ postgresUrl, redisUrl, queues: isWorker ? ['greetings'] : [] }),
    ],
    providers: isWorker ? [OutboxRelay, GreetingProcessor] : [],
  }).compile();
  module.useLogger(false);
  try {
    return await module.init();
  } catch (error) {
    await module.close();
    throw error;
  }
}
