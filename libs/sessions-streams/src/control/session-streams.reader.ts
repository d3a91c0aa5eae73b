import { Injectable } from '@nestjs/common';
import { formatOffset, LogRepository, type LogHead } from '@holdfast/durable-streams';
import { decodeCursor, encodeCursor } from '@holdfast/platform-http';
import { SessionNotFound, type SessionFilter, type SessionKey } from '@holdfast/platform-postgres';
import type { SessionInboxPage, SessionInboxQuery } from '../dto/session-inbox.dto.js';
import type { SessionStreamInvoked } from '../dto/session-stream-invoke.dto.js';
import type { SessionStreamPage, SessionStreamQuery } from '../dto/session-stream-query.dto.js';
import type { SessionLiveness, SessionStream } from '../dto/session-stream.dto.js';
import type { SessionTurnPage, SessionTurnQuery } from '../dto/session-turn-query.dto.js';
import type { SessionTurn } from '../dto/session-turn.dto.js';
import { logUrlPath, sessionLogKey, sessionLogPath } from '../log/session-log.service.js';
import { TurnNotFound } from '../sessions-streams.errors.js';
import { SessionInboxRepository } from './session-inbox.repository.js';
import { SessionStreamsRepository, type LiveStreamRow } from './session-streams.repository.js';
import { toSessionTurn } from './session-turn.mapper.js';
import { SessionTurnsRepository } from './session-turns.repository.js';

/** What a command did: which turn it is about, and who watches it. */
export type InvokedTurn = Pick<SessionStreamInvoked, 'mode' | 'turn_id' | 'watcher_id'>;

/** Answers about streams, turns and what waits. */
@Injectable()
export class SessionStreamsReader {
  constructor(
    private readonly streams: SessionStreamsRepository,
    private readonly turns: SessionTurnsRepository,
    private readonly inbox: SessionInboxRepository,
    private readonly logs: LogRepository,
  ) {}

  /** Errors: session_not_found. */
  async fetchStream(session: SessionKey): Promise<SessionStream> {
    const [stream, head] = await Promise.all([this.streams.find(session), this.logs.head(sessionLogKey(session))]);
    if (!stream || !head) throw SessionNotFound({ session_id: session.session_id });
    return toSessionStream(stream, head);
  }

  /** Errors: session_not_found. */
  async fetchLiveness(session: SessionKey): Promise<SessionLiveness> {
    const stream = await this.streams.find(session);
    if (!stream) throw SessionNotFound({ session_id: session.session_id });
    return toLiveness(stream);
  }

  /** By session id, of those that `isSeen` lets through. Errors: cursor_malformed. */
  async queryStreams(
    project_id: string,
    query: SessionStreamQuery,
    isSeen?: SessionFilter,
  ): Promise<SessionStreamPage> {
    const { status, session_ids, limit } = query;
    const after = decodeCursor(query.cursor, { session_id: 'string' })?.session_id;
    const rows = await this.streams.list(project_id, { status, session_ids, after, limit: limit + 1, isSeen });
    const page = rows.slice(0, limit);
    const heads = await this.logs.heads(page.map(sessionLogKey));
    const byPath = new Map(heads.map((head) => [head.path, head]));
    return {
      data: page.flatMap((row) => {
        const head = byPath.get(sessionLogPath(row.session_id));
        return head ? [toSessionStream(row, head)] : [];
      }),
      next_cursor: rows.length > limit ? encodeCursor({ session_id: page.at(-1)!.session_id }) : null,
    };
  }

  /** A turn, also one that waits in the inbox. Errors: turn_not_found. */
  async fetchTurn(project_id: string, turn_id: string): Promise<SessionTurn> {
    const turn = await this.turns.turn(project_id, turn_id);
    if (!turn) throw TurnNotFound({ turn_id });
    return toSessionTurn(turn);
  }

  /** What a command did to a turn, and how that is now. */
  async fetchInvoked(session: SessionKey, invoked: InvokedTurn): Promise<SessionStreamInvoked> {
    const [turn, head] = await Promise.all([
      this.turns.turn(session.project_id, invoked.turn_id),
      this.logs.head(sessionLogKey(session)),
    ]);
    if (!turn || !head) throw SessionNotFound({ session_id: session.session_id });
    return {
      mode: invoked.mode,
      session_id: session.session_id,
      turn_id: turn.turn_id,
      status: turn.status,
      watcher_id: invoked.watcher_id,
      offset: formatOffset({ generation: head.generation, position: turn.log_position }),
    };
  }

  /** Turns that went in line, newest first. Errors: session_not_found, cursor_malformed. */
  async queryTurns(project_id: string, query: SessionTurnQuery): Promise<SessionTurnPage> {
    const session = { project_id, session_id: query.session_id };
    if (!(await this.turns.stream(session))) throw SessionNotFound({ session_id: query.session_id });
    const before = decodeCursor(query.cursor, { turn_index: 'integer' });
    const rows = await this.turns.turns(session, before?.turn_index, query.limit + 1);
    const page = rows.slice(0, query.limit);
    const last = rows.length > query.limit ? page.at(-1) : undefined;
    return {
      data: page.map(toSessionTurn),
      next_cursor: last ? encodeCursor({ turn_index: last.turn_index! }) : null,
    };
  }

  /** What waits in a session, the next one first. Errors: session_not_found, cursor_malformed. */
  async queryInbox(project_id: string, query: SessionInboxQuery): Promise<SessionInboxPage> {
    const session = { project_id, session_id: query.session_id };
    if (!(await this.turns.stream(session))) throw SessionNotFound({ session_id: query.session_id });
    const after = decodeCursor(query.cursor, { inbox_position: 'integer' });
    const rows = await this.inbox.list(session, after?.inbox_position, query.limit + 1);
    const page = rows.slice(0, query.limit);
    const last = rows.length > query.limit ? page.at(-1) : undefined;
    return {
      data: page.map(toSessionTurn),
      next_cursor: last ? encodeCursor({ inbox_position: last.inbox_position! }) : null,
    };
  }
}

function toLiveness(row: LiveStreamRow): SessionLiveness {
  return {
    session_id: row.session_id,
    alive: row.alive,
    status: row.status,
    attached: row.watcher_id !== null,
    sandbox_live: row.sandbox_live,
    last_heartbeat_at: row.last_heartbeat_at?.toISOString() ?? null,
    lease_until: row.lease_until?.toISOString() ?? null,
    inbox_length: row.inbox_length,
  };
}

function toSessionStream(row: LiveStreamRow, { generation, tail }: LogHead): SessionStream {
  return {
    ...toLiveness(row),
    current_turn_id: row.current_turn_id,
    owner_replica_id: row.owner_replica_id,
    watcher_id: row.watcher_id,
    log_path: logUrlPath(sessionLogPath(row.session_id)),
    tail_offset: formatOffset({ generation, position: tail }),
  };
}
