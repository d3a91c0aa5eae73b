import type { Transaction } from '@holdfast/platform-postgres';
import { Jobs } from '@holdfast/platform-queue';
import type { TurnMilestone, TurnRow } from '@holdfast/sessions-streams';
import { sessionsTriggersJobs } from '@holdfast/sessions-triggers';

/** Whether a delivery says anything else after a milestone, of turns that are pushed to services and of the others. */
const MATTERS: Record<TurnMilestone, (isPushed: boolean) => boolean> = {
  made: () => true,
  promoted: () => false,
  owned: () => true,
  // A service has accepted the turn only now; a runner has had it since its claim.
  running: (isPushed) => isPushed,
  requeued: () => false,
  ended: () => true,
};

/** What becomes of a turn that was started with nobody watching is noted in its delivery. */
export class TurnDeliveries {
  constructor(private readonly jobs: Jobs) {}

  async reached(tx: Transaction, turn: TurnRow, milestone: TurnMilestone): Promise<void> {
    const { project_id, session_id, turn_id, detached, push_url } = turn;
    if (!detached || !MATTERS[milestone](push_url !== null)) return;
    await this.jobs.enqueue(tx, sessionsTriggersJobs.reconcileTriggerDelivery, project_id, { session_id, turn_id });
  }
}
