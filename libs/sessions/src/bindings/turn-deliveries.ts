import { Injectable } from '@nestjs/common';
import type { Transaction } from '@holdfast/platform-postgres';
import { Jobs } from '@holdfast/platform-queue';
import { TurnMilestones, type TurnRow } from '@holdfast/sessions-streams';
import { sessionsTriggersJobs } from '@holdfast/sessions-triggers';

/** What becomes of a turn that was started with nobody watching is noted in its delivery. */
@Injectable()
export class TurnDeliveries extends TurnMilestones {
  constructor(private readonly jobs: Jobs) {
    super();
  }

  async reached(tx: Transaction, { project_id, session_id, turn_id, detached }: TurnRow): Promise<void> {
    if (!detached) return;
    await this.jobs.enqueue(tx, sessionsTriggersJobs.reconcileTriggerDelivery, project_id, { session_id, turn_id });
  }
}
