import { Injectable } from '@nestjs/common';
import { UnitOfWork, type SessionKey } from '@holdfast/platform-postgres';
import type { SessionStatus } from '../dto/session-stream.dto.js';
import type { StreamRow } from './session-turns.repository.js';

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
}

const SELECT = `
  SELECT s.*, coalesce(t.status, 'idle') AS status, coalesce(s.lease_until > now(), false) AS alive,
         (SELECT count(*)::int FROM session_turns waiting WHERE waiting.project_id = s.project_id
             AND waiting.session_id = s.session_id AND waiting.status = 'inbox') AS inbox_length
    FROM session_streams s
    LEFT JOIN session_turns t ON t.project_id = s.project_id AND t.turn_id = s.current_turn_id`;

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
  list(project_id: string, { status, session_ids, after, limit }: StreamFilter): Promise<LiveStreamRow[]> {
    return this.unitOfWork.query<LiveStreamRow>(
      `${SELECT}
        WHERE s.project_id = $1 AND s.session_id > $2
          AND ($3::text[] IS NULL OR s.session_id = ANY($3))
          AND ($4::text[] IS NULL OR coalesce(t.status, 'idle') = ANY($4))
        ORDER BY s.session_id LIMIT $5`,
      [project_id, after ?? '', session_ids ?? null, status ?? null, limit],
    );
  }
}
