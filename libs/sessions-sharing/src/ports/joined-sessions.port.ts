import type { SessionKey } from '@holdfast/platform-postgres';
import type { EndedReason } from '../participants/dto/session-join.dto.js';

/** What others know of a session that somebody joins. */
export interface JoinedSession {
  name: string | null;
  /** ISO 8601. */
  created_at: string;
  /** The earliest event that can be read, and the end of the log; read before everything else here. */
  offset: string;
  tail_offset: string;
  status: 'idle' | 'queued' | 'starting' | 'running' | 'stopping';
  alive: boolean;
  /** The live turn, else the last one. */
  turn_id: string | null;
  ended_reason: EndedReason | null;
}

/** The other domains' part of what a viewer needs. */
export abstract class JoinedSessions {
  /** Errors: session_not_found. */
  abstract fetch(session: SessionKey): Promise<JoinedSession>;
}
