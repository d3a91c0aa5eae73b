import type { Transaction } from '@holdfast/platform-postgres';
import type { TurnRow } from '../control/session-turns.repository.js';

/**
 * What becomes of a turn. `made`: it waits or is in line. `promoted`: it waited and is in line. `owned`: a runner has it.
 * `running`: its agent works; of a pushed turn, its service has it. `requeued`: its owner gave it up or was lost, and it
 * is in line again. `ended`: it is over.
 */
export type TurnMilestone = 'made' | 'promoted' | 'owned' | 'running' | 'requeued' | 'ended';

/** Whoever keeps account of turns elsewhere. Told in the transaction of the fact, with the session's fence held. */
export abstract class TurnMilestones {
  /** `turn` is how its row is by then. */
  abstract reached(tx: Transaction, turn: TurnRow, milestone: TurnMilestone): Promise<void>;
}
