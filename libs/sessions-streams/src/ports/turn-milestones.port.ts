import type { Transaction } from '@holdfast/platform-postgres';
import type { TurnRow } from '../control/session-turns.repository.js';

/** Whoever keeps account of turns elsewhere. Told in the transaction of the fact. */
export abstract class TurnMilestones {
  /** The turn was made, has an owner now, or ended; which of these, its row says. */
  abstract reached(tx: Transaction, turn: TurnRow): Promise<void>;
}
