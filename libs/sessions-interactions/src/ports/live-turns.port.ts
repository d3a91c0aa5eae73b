import type { Transaction, TurnFence } from '@holdfast/platform-postgres';

/** Tells which turns may still ask something. */
export abstract class LiveTurns {
  /** Throws unless this attempt of the turn is live, which it then stays until the commit. The fence is held. */
  abstract requireLive(tx: Transaction, fence: TurnFence): Promise<void>;
}
