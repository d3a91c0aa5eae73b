import { Injectable } from '@nestjs/common';
import { decodeCursor, encodeCursor } from '@holdfast/platform-http';
import { SessionNotFound, type SessionKey } from '@holdfast/platform-postgres';
import type { SessionStream } from '../dto/session-stream.dto.js';
import type { SessionTurnPage, SessionTurnQuery } from '../dto/session-turn-query.dto.js';
import type { SessionTurn } from '../dto/session-turn.dto.js';
import { formatOffset } from '@holdfast/durable-streams';
import { logUrlPath, sessionLogKey, sessionLogPath } from '../log/session-log.service.js';
import { LogRepository } from '@holdfast/durable-streams';
import { TurnNotFound } from '../sessions-streams.errors.js';
import { isLive } from './session-turn.rules.js';
import { toSessionTurn } from './session-turn.mapper.js';
import { SessionTurnsRepository } from './session-turns.repository.js';

/** Answers about streams and turns. */
@Injectable()
export class SessionStreamsReader {
  constructor(
    private readonly turns: SessionTurnsRepository,
    private readonly logs: LogRepository,
  ) {}

  /** Errors: session_not_found. */
  async fetchStream(session: SessionKey): Promise<SessionStream> {
    const [stream, head] = await Promise.all([this.turns.stream(session), this.logs.head(sessionLogKey(session))]);
    if (!stream || !head) throw SessionNotFound({ session_id: session.session_id });
    const current = stream.current_turn_id && (await this.turns.turn(session.project_id, stream.current_turn_id));
    const turn = current && isLive(current.status) ? current : undefined;
    return {
      session_id: session.session_id,
      status: turn ? (turn.status as SessionStream['status']) : 'idle',
      current_turn_id: turn?.turn_id ?? null,
      owner_replica_id: stream.owner_replica_id,
      lease_until: stream.lease_until?.toISOString() ?? null,
      last_heartbeat_at: stream.last_heartbeat_at?.toISOString() ?? null,
      log_path: logUrlPath(sessionLogPath(session.session_id)),
      tail_offset: formatOffset({ generation: head.generation, position: head.tail }),
    };
  }

  /** Errors: turn_not_found. */
  async fetchTurn(project_id: string, turn_id: string): Promise<SessionTurn> {
    const turn = await this.turns.turn(project_id, turn_id);
    if (!turn) throw TurnNotFound({ turn_id });
    return toSessionTurn(turn);
  }

  /** Newest first. Errors: session_not_found, cursor_malformed. */
  async queryTurns(project_id: string, query: SessionTurnQuery): Promise<SessionTurnPage> {
    const session = { project_id, session_id: query.session_id };
    if (!(await this.turns.stream(session))) throw SessionNotFound({ session_id: query.session_id });
    const before = decodeCursor(query.cursor, { turn_index: 'integer' });
    const rows = await this.turns.turns(session, before?.turn_index, query.limit + 1);
    const page = rows.slice(0, query.limit);
    const last = rows.length > query.limit ? page.at(-1) : undefined;
    return {
      data: page.map(toSessionTurn),
      next_cursor: last ? encodeCursor({ turn_index: last.turn_index }) : null,
    };
  }
}
