import type { SessionKey, Transaction } from '@holdfast/platform-postgres';

/** What happened to an interaction, as viewers see it. */
export interface InteractionLogEvent {
  type: 'interaction.requested' | 'interaction.responded' | 'interaction.resolved' | 'interaction.cancelled';
  turn_id: string;
  data: object;
}

/** Where the facts of interactions are told. */
export abstract class InteractionLog {
  /** Writes the event to the session's log in the same commit. */
  abstract append(tx: Transaction, session: SessionKey, event: InteractionLogEvent): Promise<void>;
}
