import { Injectable } from '@nestjs/common';
import { SessionAccess, type Principal } from '@holdfast/platform-auth';
import { decodeCursor, encodeCursor } from '@holdfast/platform-http';
import { SessionNotFound } from '@holdfast/platform-postgres';
import { SharesRepository } from '../shares/shares.repository.js';
import type { SessionParticipantPage, SessionParticipantQuery } from './dto/session-participant-query.dto.js';
import type { SessionRoleRequestPage, SessionRoleRequestQuery } from './dto/session-role-request.dto.js';
import { toSessionParticipant } from './participant.mapper.js';
import { ParticipantsRepository } from './participants.repository.js';
import { RoleRequestsRepository } from './role-requests.repository.js';
import { toSessionRoleRequest } from './role-requests.service.js';

/** Answers who looks at a session, and what they ask for. */
@Injectable()
export class ParticipantsReader {
  constructor(
    private readonly access: SessionAccess,
    private readonly participants: ParticipantsRepository,
    private readonly requests: RoleRequestsRepository,
    private readonly shares: SharesRepository,
  ) {}

  /** In the order of joining. Errors: session_not_found, cursor_malformed. */
  async query(principal: Principal, query: SessionParticipantQuery): Promise<SessionParticipantPage> {
    const { session_id, include_left, limit } = query;
    const after = decodeCursor(query.cursor, { join_order: 'integer' });
    await this.require(principal, session_id);
    const session = { project_id: principal.project_id, session_id };
    const rows = await this.participants.list(session, after?.join_order ?? 0, limit + 1, include_left);
    const page = rows.slice(0, limit);
    const last = rows.length > limit ? page.at(-1) : undefined;
    return {
      data: page.map(toSessionParticipant),
      next_cursor: last ? encodeCursor({ join_order: last.join_order }) : null,
    };
  }

  /** Newest first. Errors: session_not_found, cursor_malformed. */
  async queryRequests(principal: Principal, query: SessionRoleRequestQuery): Promise<SessionRoleRequestPage> {
    const { session_id, status, limit } = query;
    const before = decodeCursor(query.cursor, { request_id: 'uuid' });
    await this.require(principal, session_id);
    const rows = await this.requests.list(principal.project_id, { session_id, status }, before?.request_id, limit + 1);
    const page = rows.slice(0, limit);
    const last = rows.length > limit ? page.at(-1) : undefined;
    return {
      data: page.map(toSessionRoleRequest),
      next_cursor: last ? encodeCursor({ request_id: last.request_id }) : null,
    };
  }

  /** Errors: session_not_found. */
  private async require(principal: Principal, session_id: string): Promise<void> {
    await this.access.require(principal, session_id, 'reader');
    const { project_id } = principal;
    if (!(await this.shares.hasSession({ project_id, session_id }))) throw SessionNotFound({ session_id });
  }
}
