import { Injectable, Logger, type BeforeApplicationShutdown, type OnApplicationBootstrap } from '@nestjs/common';
import { Outbox, type OutboxMessage } from '@holdfast/platform-postgres';
import { Signals } from '@holdfast/platform-signals';
import { Metrics } from '@holdfast/platform-telemetry';
import { JobQueues } from './job-queues.js';
import { OUTBOX_CHANNEL } from './outbox-signal.js';
import { PeriodicTask } from './periodic-task.js';
import { outboxJob } from './outbox-job.js';

const LOOK_EVERY_MS = 1_000;
const BATCH = 100;
const HAND_OVER_WITHIN_MS = 5_000;

/**
 * Hands outbox rows to the job queue, woken by a signal and at intervals. Any number of processes may run it: list it
 * among an app's providers. What it takes and cannot hand over, or hands over and the queue forgets, is due again later.
 */
@Injectable()
export class OutboxRelay implements OnApplicationBootstrap, BeforeApplicationShutdown {
  private readonly logger = new Logger('OutboxRelay');
  private readonly task = new PeriodicTask('outbox-relay', LOOK_EVERY_MS, (stopping) => this.relay(stopping));
  private readonly handedOver;
  private unsubscribe: () => Promise<void> = async () => undefined;

  constructor(
    private readonly outbox: Outbox,
    private readonly queues: JobQueues,
    private readonly signals: Signals,
    metrics: Metrics,
  ) {
    this.handedOver = metrics.counter({
      name: 'holdfast_outbox_handed_over_total',
      help: 'Outbox rows handed to the job queue, each attempt counted.',
      labelNames: ['queue'],
    });
    this.exposeBacklog(metrics);
  }

  async onApplicationBootstrap(): Promise<void> {
    this.unsubscribe = await this.signals.subscribe(OUTBOX_CHANNEL, () => this.task.wake());
    this.task.start();
  }

  async beforeApplicationShutdown(): Promise<void> {
    await this.unsubscribe();
    await this.task.stop();
  }

  private async relay(stopping: AbortSignal): Promise<void> {
    // Rows taken in vain would wait for their next attempt although the queue may be back in a moment.
    while (!stopping.aborted && this.queues.isReachable) {
      const messages = await this.outbox.take(BATCH);
      if (messages.length === 0) return;
      await Promise.all([...byQueue(messages)].map(([queue, ofQueue]) => this.handOver(queue, ofQueue)));
    }
  }

  private async handOver(queue: string, messages: OutboxMessage[]): Promise<void> {
    if (!this.queues.has(queue)) {
      this.logger.error({ event: 'outbox.unknown_queue', queue, jobs: messages.map((message) => message.job) });
      return;
    }
    await withDeadline(this.queues.add(queue, messages.map(outboxJob)), `queue "${queue}" took no jobs`);
    this.handedOver.inc({ queue }, messages.length);
  }

  private exposeBacklog(metrics: Metrics): void {
    // While the database is away the other metrics are wanted all the more.
    const backlog = () => this.outbox.backlog().catch(() => ({ waiting: NaN, oldest_seconds: NaN }));
    metrics.gauge({
      name: 'holdfast_outbox_waiting',
      help: 'Outbox rows not done; NaN while the database does not answer.',
      async collect() {
        this.set((await backlog()).waiting);
      },
    });
    metrics.gauge({
      name: 'holdfast_outbox_oldest_seconds',
      help: 'Age of the oldest outbox row not done; NaN while the database does not answer.',
      async collect() {
        this.set((await backlog()).oldest_seconds);
      },
    });
  }
}

function byQueue(messages: OutboxMessage[]): Map<string, OutboxMessage[]> {
  const groups = new Map<string, OutboxMessage[]>();
  for (const message of messages) groups.set(message.queue, [...(groups.get(message.queue) ?? []), message]);
  return groups;
}

/** A command to a Redis that went away waits without limit. When it gets through late, the job is one attempt more. */
async function withDeadline(work: Promise<void>, message: string): Promise<void> {
  let timer: NodeJS.Timeout | undefined;
  const deadline = new Promise<never>((_, reject) => {
    timer = setTimeout(() => reject(new Error(`${message} within ${HAND_OVER_WITHIN_MS} ms`)), HAND_OVER_WITHIN_MS);
  });
  await Promise.race([work, deadline]).finally(() => clearTimeout(timer));
}
