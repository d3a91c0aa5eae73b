import type { OutboxMessage } from '@holdfast/platform-postgres';

/** A BullMQ job that hands over one outbox row. */
export interface OutboxJob {
  name: string;
  data: {
    project_id: string;
    outbox_id: string;
    /** Counts from 1. */
    attempt: number;
    /** W3C `traceparent` of the request that caused it. */
    traceparent: string | null;
    payload: object;
  };
}

/** The job that hands over a message, with BullMQ's options. */
export function outboxJob(message: OutboxMessage) {
  const { project_id, id, attempt, traceparent, payload } = message;
  return {
    name: message.job,
    data: { project_id, outbox_id: id, attempt, traceparent, payload },
    opts: {
      // An attempt is handed over once; the next one is a job of its own, whatever became of this one.
      jobId: `outbox-${id}-${attempt}`,
      // The outbox retries.
      attempts: 1,
      removeOnComplete: { count: 1_000, age: 60 * 60 },
      removeOnFail: { count: 1_000, age: 24 * 60 * 60 },
    },
  };
}
