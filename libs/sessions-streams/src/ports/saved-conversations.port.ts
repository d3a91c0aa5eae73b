import type { SessionKey, Transaction } from '@holdfast/platform-postgres';

/** A conversation of a session as its harness keeps it, which any runner can go on with. */
export interface SavedConversation {
  harness: string;
  /** The harness's own id of it: `agent_session_id` of the turns that it is from. */
  native_id: string;
  /** When something was added to it. */
  updated_at: Date;
}

/** Whoever keeps what agents remember. */
export abstract class SavedConversations {
  /** The one that something was added to last. */
  abstract newest(tx: Transaction, session: SessionKey): Promise<SavedConversation | null>;
}
