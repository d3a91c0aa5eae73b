import { Injectable } from '@nestjs/common';
import { decodeCursor, encodeCursor } from '@holdfast/platform-http';
import { SessionNotFound, type SessionKey } from '@holdfast/platform-postgres';
import type { SessionRecord } from './dto/session-record.dto.js';
import type { SessionTranscriptPage } from './dto/session-transcript-page.dto.js';
import type { SessionTranscriptQuery } from './dto/session-transcript-query.dto.js';
import { formatOffset } from './log-offset.rules.js';
import { LogTail } from './ports/log-tail.port.js';
import { SessionRecordsRepository, type StoredRecord } from './session-records.repository.js';
import { TranscriptCursorGone } from './sessions-transcripts.errors.js';

const CURSOR = { generation: 'integer', position: 'integer' } as const;

/** Reads transcripts. A session that was made again shows the records of its present log only. */
@Injectable()
export class SessionsTranscriptsReader {
  constructor(
    private readonly repository: SessionRecordsRepository,
    private readonly logTail: LogTail,
  ) {}

  /** Errors: session_not_found, cursor_malformed, transcript_cursor_gone. */
  async query(project_id: string, query: SessionTranscriptQuery): Promise<SessionTranscriptPage> {
    const { session_id, turn_id, types, limit } = query;
    const session = { project_id, session_id };
    const after = decodeCursor(query.cursor, CURSOR);
    const { exists, generation, tail } = await this.logTail.of(session);
    if (!exists) throw SessionNotFound({ session_id });
    if (after && after.generation !== generation) throw TranscriptCursorGone({ session_id });

    // Before the records: what commits in between may add to them, but the offset never promises what they lack.
    const saved = await this.repository.findProjection(session);
    const projected = saved?.generation === generation ? saved.position : 0;
    const from = after ? after.position + 1 : 0;
    const rows = await this.repository.listRecords(session, { generation, from, turn_id, types, limit: limit + 1 });

    const page = rows.slice(0, limit);
    const last = page.at(-1);
    return {
      data: page.map((row) => toSessionRecord(session, generation, row)),
      next_cursor: last && rows.length > limit ? encodeCursor({ generation, position: last.position }) : null,
      projected_offset: formatOffset(generation, projected),
      tail_offset: formatOffset(generation, Math.max(tail, projected)),
    };
  }
}

function toSessionRecord({ session_id }: SessionKey, generation: number, row: StoredRecord): SessionRecord {
  return {
    record_id: formatOffset(generation, row.position),
    session_id,
    turn_id: row.turn_id,
    type: row.type,
    content: row.content,
    started_at: row.started_at.toISOString(),
    ended_at: row.ended_at.toISOString(),
  };
}
