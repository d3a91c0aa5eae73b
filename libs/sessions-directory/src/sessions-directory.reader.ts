import { Injectable } from '@nestjs/common';
import { decodeCursor, encodeCursor } from '@holdfast/platform-http';
import { SessionNotFound, type SessionFilter, type SessionKey } from '@holdfast/platform-postgres';
import { DataSource } from 'typeorm';
import type { SessionPage, SessionQuery } from './dto/session-query.dto.js';
import type { Session } from './dto/session.dto.js';
import { toSession } from './session.mapper.js';
import { SessionsRepository } from './sessions.repository.js';

/** Answers which sessions there are. */
@Injectable()
export class SessionsDirectoryReader {
  constructor(
    private readonly dataSource: DataSource,
    private readonly sessions: SessionsRepository,
  ) {}

  /** Errors: session_not_found. */
  async fetchSession(key: SessionKey): Promise<Session> {
    const row = await this.sessions.find(this.dataSource.manager, key);
    if (!row) throw SessionNotFound({ session_id: key.session_id });
    return toSession(row);
  }

  /** Sessions of the project that `isSeen` lets through, newest first. Errors: cursor_malformed. */
  async querySessions(
    project_id: string,
    { archived = 'exclude', cursor, limit }: SessionQuery,
    isSeen?: SessionFilter,
  ): Promise<SessionPage> {
    const after = decodeCursor(cursor, { created_at: 'timestamp', session_id: 'string' });
    const rows = await this.sessions.list(this.dataSource.manager, project_id, {
      archived,
      after,
      limit: limit + 1,
      isSeen,
    });
    const page = rows.slice(0, limit).map(toSession);
    const last = rows.length > limit ? page.at(-1) : undefined;
    return {
      data: page,
      next_cursor: last ? encodeCursor({ created_at: last.created_at, session_id: last.session_id }) : null,
    };
  }
}
