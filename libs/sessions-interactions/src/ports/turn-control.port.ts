import type { Transaction, TurnFence } from '@holdfast/platform-postgres';
import type { Verdict } from '../verdict.rules.js';

/** An answer on its way to the agent that waits for it. */
export interface AnswerCommand {
  type: 'answer';
  interaction_id: string;
  verdict: Verdict;
}

/** The way to the runner that owns a turn. */
export abstract class TurnControl {
  /** Leaves the command for the runner in the same commit. False when the turn is not live: nothing is sent. */
  abstract send(tx: Transaction, turn: TurnFence, command: AnswerCommand): Promise<boolean>;
}
