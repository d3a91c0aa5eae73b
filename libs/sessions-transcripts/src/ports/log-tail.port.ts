import type { SessionKey } from '@holdfast/platform-postgres';

/** The end of a session's log. */
export interface SessionLogTail {
  exists: boolean;
  generation: number;
  /** The position after the last event. */
  tail: number;
}

/** Tells how far a session's log has grown. */
export abstract class LogTail {
  abstract of(session: SessionKey): Promise<SessionLogTail>;
}
