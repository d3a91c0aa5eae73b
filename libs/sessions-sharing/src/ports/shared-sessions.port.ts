import type { SessionKey, Transaction } from '@holdfast/platform-postgres';

/** The sessions that may be shared. */
export abstract class SharedSessions {
  /** That it exists, and does until the commit. Errors: session_not_found. */
  abstract hold(tx: Transaction, session: SessionKey): Promise<void>;
}
