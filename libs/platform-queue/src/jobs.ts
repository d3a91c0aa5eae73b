import { Injectable } from '@nestjs/common';
import { Outbox, type Transaction } from '@holdfast/platform-postgres';
import { currentTraceparent } from '@holdfast/platform-telemetry';
import type { JobDefinition } from './job-definition.js';
import { checkPayload } from './job-payload.js';

/** Leaves jobs for the workers. */
@Injectable()
export class Jobs {
  constructor(private readonly outbox: Outbox) {}

  /**
   * Leaves a job in the transaction that causes it, with the trace of the present request. Returns the id of its row.
   * Throws when the payload is not what the job declares.
   */
  async enqueue<Payload extends object>(
    tx: Transaction,
    job: JobDefinition<Payload>,
    project_id: string,
    payload: Payload,
  ): Promise<string> {
    checkPayload(job, payload);
    return this.outbox.enqueue(tx, job, project_id, payload, currentTraceparent());
  }
}
