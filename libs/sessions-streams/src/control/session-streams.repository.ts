import { Injectable } from '@nestjs/common';
import { bindTo, UnitOfWork, type SessionFilter, type SessionKey } from '@holdfast/platform-postgres';
import type { SessionStatus } from '../dto/session-stream.dto.js';
import { LIVE, type StreamRow } from './session-turns.repository.js';

/** A stream with what else is true of its session at this moment. */
export interface LiveStreamRow extends StreamRow {
  status: SessionStatus;
  alive: boolean;
  inbox_length: number;
}

/** Which streams of a project are wanted. */
export interface StreamFilter {
  status: SessionStatus[] | undefined;
  session_ids: string[] | undefined;
  after: string | undefined;
  limit: number;
  /** Which sessions are answered; all where it is absent. */
  isSeen?: SessionFilter;
}

const FACTS = `s.*, coalesce(t.status, 'idle') AS status, coalesce(s.lease_until > now(), false) AS alive,
         (SELECT count(*)::int FROM session_turns waiting WHERE waiting.project_id = s.project_id
             AND waiting.session_id = s.session_id AND waiting.status = 'inbox') AS inbox_length`;

const SELECT = `
  SELECT ${FACTS}
    FROM session_streams s
    LEFT JOIN session_turns t ON t.project_id = s.project_id AND t.turn_id = s.current_turn_id`;

const list = (isSeen: string) => `${SELECT}
   WHERE s.project_id = $1 AND s.session_id > $2
     AND ($3::text[] IS NULL OR s.session_id = ANY($3))
     AND ($4::text[] IS NULL OR coalesce(t.status, 'idle') = ANY($4)) AND ${isSeen}
   ORDER BY s.session_id LIMIT $5`;

/** By way of the index of live turns, of which a project has few: its idle sessions may be very many. */
const listLive = (isSeen: string) => `
  SELECT ${FACTS}
    FROM session_turns t
    JOIN session_streams s ON s.project_id = t.project_id AND s.session_id = t.session_id AND s.current_turn_id = t.turn_id
   WHERE t.project_id = $1 AND t.session_id > $2 AND t.${LIVE}
     AND ($3::text[] IS NULL OR t.session_id = ANY($3)) AND t.status = ANY($4) AND ${isSeen}
   ORDER BY t.session_id LIMIT $5`;

/** Reads streams with their live facts, by the database's clock. */
@Injectable()
export class SessionStreamsRepository {
  constructor(private readonly unitOfWork: UnitOfWork) {}

  find({ project_id, session_id }: SessionKey): Promise<LiveStreamRow | undefined> {
    return this.unitOfWork.queryOne<LiveStreamRow>(`${SELECT} WHERE s.project_id = $1 AND s.session_id = $2`, [
      project_id,
      session_id,
    ]);
  }

  /** By session id. */
  list(
    project_id: string,
    { status, session_ids, after, limit, isSeen = () => 'true' }: StreamFilter,
  ): Promise<LiveStreamRow[]> {
    const values: unknown[] = [project_id, after ?? '', session_ids ?? null, status ?? null, limit];
    const seen = isSeen('s.session_id', bindTo(values));
    const isOfLive = status && !status.includes('idle');
    return this.unitOfWork.query<LiveStreamRow>(isOfLive ? listLive(seen) : list(seen), values);
  }
}
