import { Injectable } from '@nestjs/common';
import { LogRepository, offsetAt } from '@holdfast/durable-streams';
import { SessionNotFound, type SessionKey } from '@holdfast/platform-postgres';
import { SessionsDirectoryReader, type Session } from '@holdfast/sessions-directory';
import { JoinedSessions, type EndedReason, type JoinedSession } from '@holdfast/sessions-sharing';
import {
  isLive,
  sessionLogKey,
  SessionStreamsReader,
  SessionTurnsRepository,
  type TurnRow,
} from '@holdfast/sessions-streams';

/** What directory, log and turns know of a session that somebody joins. */
@Injectable()
export class JoinableSessions extends JoinedSessions {
  constructor(
    private readonly logs: LogRepository,
    private readonly directory: SessionsDirectoryReader,
    private readonly streams: SessionStreamsReader,
    private readonly turns: SessionTurnsRepository,
  ) {
    super();
  }

  async fetch(key: SessionKey): Promise<JoinedSession> {
    // Before the rest, so that what changes from here on is told behind it.
    const head = await this.logs.head(sessionLogKey(key));
    if (!head) throw SessionNotFound({ session_id: key.session_id });
    const [session, { alive }, [last]] = await Promise.all([
      this.directory.fetchSession(key),
      this.streams.fetchLiveness(key),
      this.turns.turns(key, undefined, 1),
    ]);
    return {
      name: session.name,
      created_at: session.created_at,
      offset: offsetAt(head, head.first),
      tail_offset: offsetAt(head, head.tail),
      status: last && isLive(last.status) ? last.status : 'idle',
      alive: alive && last !== undefined && isLive(last.status),
      turn_id: last?.turn_id ?? null,
      ended_reason: last ? endedReason(session, last) : null,
    };
  }
}

function endedReason({ archived_at }: Session, { status, stop_reason }: TurnRow): EndedReason | null {
  if (isLive(status)) return null;
  if (archived_at !== null) return 'archived';
  if (status === 'cancelled' && stop_reason === 'killed') return 'killed';
  // What has a place among the turns never waits and is handed to no other.
  return status === 'inbox' || status === 'merged' ? null : status;
}
