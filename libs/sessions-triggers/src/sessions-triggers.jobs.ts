import { IsUUID } from 'class-validator';
import { IsSessionId } from '@holdfast/platform-postgres';
import { defineJob } from '@holdfast/platform-queue';

/** Names a turn that was started with nobody watching; the project comes with the job. */
export class ReconcileTriggerDelivery {
  @IsSessionId()
  session_id!: string;

  @IsUUID()
  turn_id!: string;
}

/** The jobs of this domain. Each is a hint: the handler looks at what the turn is by then. */
export const sessionsTriggersJobs = {
  reconcileTriggerDelivery: defineJob({
    name: 'reconcile-trigger-delivery',
    queue: 'trigger-deliveries',
    payload: ReconcileTriggerDelivery,
  }),
};
