import { Injectable, Logger } from '@nestjs/common';
import { Outbox, type Transaction } from '@holdfast/platform-postgres';
import { continueTrace, Metrics, runInContext } from '@holdfast/platform-telemetry';
import type { JobCatalogue, PayloadOf } from './job-definition.js';
import { readPayload } from './job-payload.js';
import type { OutboxJob } from './outbox-job.js';

/** One handing over of one outbox row. The same row may come again at any time, even while this one is at work. */
export interface JobDelivery extends Omit<OutboxJob['data'], 'payload'> {
  /**
   * Marks the row as done, in the transaction that does the work. False when it was done before: then do nothing.
   * A row whose handler never finishes it comes again.
   */
  finish(tx: Transaction): Promise<boolean>;
}

/** Safe to run twice and to kill half way: what it changes commits together with `delivery.finish(tx)`. */
export type JobHandler<Payload> = (payload: Payload, delivery: JobDelivery) => Promise<void>;

/** A handler for every job of a catalogue, under the same keys. */
export type HandlersOf<Catalogue extends JobCatalogue> = {
  [Key in keyof Catalogue]: JobHandler<PayloadOf<Catalogue[Key]>>;
};

/** Gives the jobs of a queue to their handlers. */
@Injectable()
export class JobHandlers {
  private readonly logger = new Logger('Jobs');
  private readonly seconds;

  constructor(
    private readonly outbox: Outbox,
    metrics: Metrics,
  ) {
    this.seconds = metrics.histogram({
      name: 'holdfast_job_seconds',
      help: 'How long a job handler ran.',
      labelNames: ['job', 'outcome'],
      buckets: [0.005, 0.02, 0.1, 0.5, 2, 10, 60],
    });
  }

  /**
   * What a `@Processor` does with a job: validates its payload, then runs its handler in the context of the request that
   * left it. A failure fails the job, and the outbox hands the row over again.
   */
  handle<Catalogue extends JobCatalogue>(
    catalogue: Catalogue,
    job: OutboxJob,
    handlers: HandlersOf<Catalogue>,
  ): Promise<void> {
    return runInContext(contextOf(job), () => this.observe(job, () => this.run(catalogue, job, handlers)));
  }

  private async run<Catalogue extends JobCatalogue>(
    catalogue: Catalogue,
    { name, data }: OutboxJob,
    handlers: HandlersOf<Catalogue>,
  ): Promise<void> {
    const entry = Object.entries(catalogue).find(([, definition]) => definition.name === name);
    if (!entry) throw new Error(`no handler for job "${name}"`);
    const [key, definition] = entry;
    const { payload, ...facts } = data;
    const handler = handlers[key] as JobHandler<object>;
    await handler(readPayload(definition, payload), {
      ...facts,
      finish: (tx) => this.outbox.finish(tx, facts.project_id, facts.outbox_id),
    });
  }

  private async observe({ name, data }: OutboxJob, work: () => Promise<void>): Promise<void> {
    const end = this.seconds.startTimer({ job: name });
    try {
      await work();
      end({ outcome: 'handled' });
    } catch (error) {
      end({ outcome: 'failed' });
      this.logger.error({ event: 'job.failed', job: name, attempt: data.attempt, err: error });
      throw error;
    }
  }
}

function contextOf({ data: { project_id, outbox_id, traceparent } }: OutboxJob) {
  return { request_id: outbox_id, traceparent: continueTrace(traceparent ?? undefined), project_id };
}
