import { Injectable } from '@nestjs/common';
import { SessionAccess, type Principal } from '@holdfast/platform-auth';
import { decodeCursor, encodeCursor } from '@holdfast/platform-http';
import { SessionNotFound, UnitOfWork } from '@holdfast/platform-postgres';
import type {
  SessionOpening,
  SessionOpeningPage,
  SessionOpeningQuery,
  SessionSharePage,
  SessionShareQuery,
} from './dto/session-share-query.dto.js';
import type { SessionShare } from './dto/session-share.dto.js';
import { toSessionShare, type ShareRow } from './share.row.js';
import { ShareNotFound } from './shares.errors.js';
import { SharesRepository } from './shares.repository.js';

/** Answers what is shared. */
@Injectable()
export class SharesReader {
  constructor(
    private readonly unitOfWork: UnitOfWork,
    private readonly shares: SharesRepository,
    private readonly access: SessionAccess,
  ) {}

  /** Through a share, one that was made through it. Errors: share_not_found. */
  async fetch(principal: Principal, share_id: string): Promise<SessionShare> {
    const { project_id } = principal;
    const share = await this.shares.find(this.unitOfWork, { project_id, share_id });
    if (!share || !(await this.isSeen(principal, share))) throw ShareNotFound({ share_id });
    return toSessionShare(share);
  }

  /** Newest first; through a share, those that were made through it. Errors: cursor_malformed. */
  async query(principal: Principal, query: SessionShareQuery): Promise<SessionSharePage> {
    const after = decodeCursor(query.cursor, { created_at: 'timestamp', share_id: 'uuid' });
    const { session_id, task_id, include_ended, limit } = query;
    const isThroughShare = principal.kind === 'share';
    const rows = await this.shares.list(
      principal.project_id,
      { session_id, task_id, include_ended, ...(isThroughShare && { made_through: principal.share.share_id }) },
      isThroughShare ? undefined : this.access.filter(principal),
      after,
      limit + 1,
    );
    return { data: rows.slice(0, limit).map(toSessionShare), next_cursor: cursorAfter(rows, limit) };
  }

  /** By which shares a session within reach is open, newest first. Errors: session_not_found, cursor_malformed. */
  async queryOpenings(principal: Principal, query: SessionOpeningQuery): Promise<SessionOpeningPage> {
    const after = decodeCursor(query.cursor, { created_at: 'timestamp', share_id: 'uuid' });
    const { session_id, limit } = query;
    const key = { project_id: principal.project_id, session_id };
    if (!(await this.shares.hasSession(key))) throw SessionNotFound({ session_id });
    const rows = await this.shares.openings(key, after, limit + 1);
    const page = rows.slice(0, limit);
    const hosts = page.flatMap(({ host_session_id }) => host_session_id ?? []);
    const seen = await this.access.reached(principal, [...new Set(hosts)]);
    return { data: page.map((row) => toOpening(row, session_id, seen)), next_cursor: cursorAfter(rows, limit) };
  }

  private async isSeen(principal: Principal, { project_id, share_id, host_session_id }: ShareRow): Promise<boolean> {
    if (principal.kind === 'share') {
      return this.shares.isMadeThrough(this.unitOfWork, project_id, share_id, principal.share.share_id);
    }
    return host_session_id === null || (await this.access.reached(principal, [host_session_id])).size > 0;
  }
}

function toOpening(row: ShareRow, session_id: string, seen: Set<string>): SessionOpening {
  const { share_id, role, scope, origin, expires_at, host_session_id, host_task_id } = row;
  const isSeen = host_session_id !== null && seen.has(host_session_id);
  return {
    share_id,
    via: host_session_id === session_id ? 'direct' : 'tree',
    host_session_id: isSeen ? host_session_id : null,
    host_task_id: isSeen ? host_task_id : null,
    role,
    scope,
    origin,
    expires_at: expires_at?.toISOString() ?? null,
  };
}

function cursorAfter(rows: ShareRow[], limit: number): string | null {
  const last = rows.length > limit ? rows[limit - 1]! : undefined;
  return last ? encodeCursor({ created_at: last.created_at.toISOString(), share_id: last.share_id }) : null;
}
