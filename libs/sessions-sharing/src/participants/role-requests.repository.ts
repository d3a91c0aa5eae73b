import { Injectable } from '@nestjs/common';
import type { ShareRole } from '@holdfast/platform-auth';
import { UnitOfWork, type Transaction } from '@holdfast/platform-postgres';
import { v7 as uuidv7 } from 'uuid';
import type { RoleRequestStatus } from './dto/session-role-request.dto.js';
import type { ParticipantRow } from './participants.repository.js';

/** A row of share_role_requests. */
export interface RoleRequestRow {
  project_id: string;
  request_id: string;
  participant_id: string;
  session_id: string;
  role: ShareRole;
  status: RoleRequestStatus;
  granted_role: ShareRole | null;
  answered_by_id: string | null;
  answered_at: Date | null;
  created_at: Date;
}

/** How a request is settled. */
export interface RoleRequestEnd {
  status: Exclude<RoleRequestStatus, 'pending'>;
  by_id: string | null;
  granted_role: ShareRole | null;
}

/** The SQL of requests for roles. */
@Injectable()
export class RoleRequestsRepository {
  constructor(private readonly unitOfWork: UnitOfWork) {}

  async insert(tx: Transaction, asker: ParticipantRow, session_id: string, role: ShareRole): Promise<RoleRequestRow> {
    const row = await tx.queryOne<RoleRequestRow>(
      `INSERT INTO share_role_requests (project_id, request_id, participant_id, session_id, role)
       VALUES ($1, $2, $3, $4, $5) RETURNING *`,
      [asker.project_id, uuidv7(), asker.participant_id, session_id, role],
    );
    return row!;
  }

  find(
    queries: Pick<Transaction, 'queryOne'>,
    project_id: string,
    request_id: string,
  ): Promise<RoleRequestRow | undefined> {
    return queries.queryOne<RoleRequestRow>(
      `SELECT * FROM share_role_requests WHERE project_id = $1 AND request_id = $2`,
      [project_id, request_id],
    );
  }

  /** The one that waits for an answer. Call with the participant locked, as for every change. */
  pending(tx: Transaction, { project_id, participant_id }: ParticipantRow): Promise<RoleRequestRow | undefined> {
    return tx.queryOne<RoleRequestRow>(
      `SELECT * FROM share_role_requests WHERE project_id = $1 AND participant_id = $2 AND status = 'pending'`,
      [project_id, participant_id],
    );
  }

  async settle(
    tx: Transaction,
    { project_id, request_id }: RoleRequestRow,
    end: RoleRequestEnd,
  ): Promise<RoleRequestRow> {
    const row = await tx.queryOne<RoleRequestRow>(
      `UPDATE share_role_requests SET status = $3, answered_by_id = $4, granted_role = $5, answered_at = now()
        WHERE project_id = $1 AND request_id = $2 RETURNING *`,
      [project_id, request_id, end.status, end.by_id, end.granted_role],
    );
    return row!;
  }

  /** Newest first, which is by id: ids are UUIDv7. Before the request `beforeId` when given. */
  list(
    project_id: string,
    { session_id, status }: { session_id: string; status: RoleRequestStatus | undefined },
    beforeId: string | undefined,
    limit: number,
  ): Promise<RoleRequestRow[]> {
    return this.unitOfWork.query<RoleRequestRow>(
      `SELECT * FROM share_role_requests
        WHERE project_id = $1 AND session_id = $2 AND ($3::text IS NULL OR status = $3)
          AND ($4::uuid IS NULL OR request_id < $4)
        ORDER BY request_id DESC LIMIT $5`,
      [project_id, session_id, status ?? null, beforeId ?? null, limit],
    );
  }
}
