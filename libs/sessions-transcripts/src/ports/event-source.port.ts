import type { SessionKey } from '@holdfast/platform-postgres';
import type { PositionedEvent } from '../projection/session-event.rules.js';

/** A run of events of a session's log, without gaps. */
export interface EventBatch {
  events: PositionedEvent[];
  generation: number;
  /** The position after the last event of the log. */
  tail: number;
}

/** Where a transcript reads its session's log. */
export abstract class EventSource {
  /**
   * At most `limit` events from position `from` on, oldest first; fewer is no sign of the end. None when `from` lies
   * beyond the tail, as it may in a log that was made again, and of a session that was deleted.
   */
  abstract read(session: SessionKey, from: number, limit: number): Promise<EventBatch>;
}
