import { Logger, type OnModuleInit } from '@nestjs/common';
import type { Queue } from 'bullmq';
import type { QueueBackend } from './queue-backend.js';
import type { outboxJob } from './outbox-job.js';

/** The queues that this process hands jobs to. */
export class JobQueues implements OnModuleInit {
  private readonly byName: Map<string, Queue>;

  constructor(
    private readonly backend: QueueBackend,
    queues: Queue[],
  ) {
    this.byName = new Map(queues.map((queue) => [queue.name, queue]));
    const logger = new Logger('Jobs');
    for (const queue of queues) {
      queue.on('error', (error) => logger.warn({ event: 'queue.error', queue: queue.name, reason: error.message }));
    }
  }

  /** Ends the boot where BullMQ's schema is missing. A Redis that is away comes back by itself. */
  async onModuleInit(): Promise<void> {
    if (this.backend.isPostgres) await Promise.all([...this.byName.values()].map((queue) => queue.waitUntilReady()));
  }

  has(name: string): boolean {
    return this.byName.has(name);
  }

  get isReachable(): boolean {
    return this.backend.isReachable;
  }

  async add(name: string, jobs: ReturnType<typeof outboxJob>[]): Promise<void> {
    await this.byName.get(name)?.addBulk(jobs);
  }
}
