import type { SessionKey, Transaction, TurnFence } from '@holdfast/platform-postgres';
import type { TurnFact } from '../tasks/task-state.rules.js';

/** Asks for the sessions that tasks run in. */
export abstract class TaskSessions {
  /**
   * How the session's newest turn stands, undefined when it had none; keeps it so until the commit. The first lock of a
   * transaction. Errors: session_not_found.
   */
  abstract standing(tx: Transaction, session: SessionKey): Promise<TurnFact | undefined>;

  /**
   * Lets a write through only for the attempt that runs, and keeps it the one that does until the commit. Errors:
   * stale_epoch, turn_not_live, turn_not_found, session_not_found.
   */
  abstract requireLive(tx: Transaction, attempt: TurnFence): Promise<void>;
}
