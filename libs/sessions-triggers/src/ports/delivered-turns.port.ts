import type { SessionKey, Transaction } from '@holdfast/platform-postgres';
import type { TriggerDeliveryOutcome } from '../trigger-delivery.rules.js';

/** Where a turn is now. */
export interface DeliveredTurn {
  /** Null while it is live or waits. */
  outcome: TriggerDeliveryOutcome | null;
  /** Whether a runner has claimed it, or its service has accepted it. */
  has_owner: boolean;
  /** When it first ran. */
  started_at: Date | null;
  ended_at: Date | null;
  error: { code: string; message: string } | null;
  created_at: Date;
  created_by_id: string;
}

/** Asks for turns that deliveries stand for. */
export abstract class DeliveredTurns {
  /** Undefined when there is no such turn any more. */
  abstract find(tx: Transaction, turn: SessionKey & { turn_id: string }): Promise<DeliveredTurn | undefined>;
}
