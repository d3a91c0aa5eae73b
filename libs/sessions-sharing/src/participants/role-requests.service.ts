import { Injectable } from '@nestjs/common';
import { SessionAccess, type Principal } from '@holdfast/platform-auth';
import { isDomainError } from '@holdfast/platform-errors';
import { SessionNotFound, UnitOfWork, type Transaction } from '@holdfast/platform-postgres';
import type {
  SessionRoleRequest,
  SessionRoleRequestAnswer,
  SessionRoleRequestCreate,
} from './dto/session-role-request.dto.js';
import { ShareChanges } from '../shares/share-changes.js';
import { TaskNotFound } from '../tasks/tasks.errors.js';
import { JoinedSharesRepository } from './joined-shares.repository.js';
import { ParticipantEvents } from './participant-events.js';
import { isAbove, lesserOf, roleOf } from './participant-role.rules.js';
import {
  ParticipantAway,
  ParticipantNotFound,
  RoleAboveOwn,
  RoleAlreadyHeld,
  RoleBeyondReach,
  RoleOfKey,
  RoleRequestNotFound,
  RoleRequestPending,
  RoleRequestSettled,
} from './participants.errors.js';
import { ParticipantsRepository, type ParticipantRow } from './participants.repository.js';
import { isOwn } from './participant-owner.rules.js';
import { RoleRequestsRepository, type RoleRequestEnd, type RoleRequestRow } from './role-requests.repository.js';

/** Participants ask to do more, and somebody who may do that lets them. */
@Injectable()
export class RoleRequests {
  constructor(
    private readonly unitOfWork: UnitOfWork,
    private readonly access: SessionAccess,
    private readonly participants: ParticipantsRepository,
    private readonly requests: RoleRequestsRepository,
    private readonly shares: JoinedSharesRepository,
    private readonly events: ParticipantEvents,
    private readonly changes: ShareChanges,
  ) {}

  /**
   * Asked again for the same role, it is the same request. Errors: participant_not_found, participant_away, role_of_key,
   * role_already_held, role_request_pending.
   */
  request(principal: Principal, { participant_id, role }: SessionRoleRequestCreate): Promise<SessionRoleRequest> {
    return this.unitOfWork.run(async (tx) => {
      const asker = await this.participants.lock(tx, principal.project_id, participant_id);
      if (!asker || !isOwn(principal, asker)) throw ParticipantNotFound({ participant_id });
      if (asker.left_at !== null || asker.session_id === null) throw ParticipantAway({ participant_id });
      if (asker.key_id !== null) throw RoleOfKey();
      const pending = await this.requests.pending(tx, asker);
      if (pending?.role === role) return toSessionRoleRequest(pending);
      if (pending) throw RoleRequestPending({ request_id: pending.request_id, role: pending.role });
      if (!isAbove(role, asker.role)) throw RoleAlreadyHeld({ role: asker.role });

      const request = toSessionRoleRequest(await this.requests.insert(tx, asker, asker.session_id, role));
      this.events.requestChanged(tx, asker, request, 'role.requested');
      return request;
    });
  }

  /**
   * Approves or denies, once: of several at the same time one wins, and the same answer of the same again is no other.
   * What is given is what was asked for unless the answer names a role, and never more than whoever answers has, nor
   * further. Errors: role_request_not_found, permission_denied, role_request_settled, role_above_own, role_beyond_reach,
   * role_already_held.
   */
  async answer(principal: Principal, answer: SessionRoleRequestAnswer): Promise<SessionRoleRequest> {
    const { key_id } = principal;
    const found = await this.reached(principal, answer.request_id);
    if (answer.verdict === 'approve') await this.requireReachOf(principal, found);
    return this.unitOfWork.run(async (tx) => {
      const { asker, request } = await this.lock(tx, found);
      const status = answer.verdict === 'approve' ? 'approved' : 'denied';
      if (request.status !== 'pending') {
        if (request.status === status && request.answered_by_id === key_id) return toSessionRoleRequest(request);
        throw settledBefore(request);
      }
      if (status === 'denied') return this.settle(tx, asker, request, { status, by_id: key_id, granted_role: null });

      const own = roleOf(principal);
      const granted_role = answer.role ?? lesserOf(request.role, own);
      if (isAbove(granted_role, own)) throw RoleAboveOwn({ role: own });
      if (!isAbove(granted_role, asker.role)) throw RoleAlreadyHeld({ role: asker.role });
      const raised = await this.participants.giveRole(tx, asker, granted_role);
      this.events.updated(tx, raised);
      // What its open views may is judged anew, everywhere.
      this.changes.announce(tx, asker.share_id!);
      return this.settle(tx, raised, request, { status, by_id: key_id, granted_role });
    });
  }

  /** By whoever asked; again changes nothing. Errors: role_request_not_found, role_request_settled. */
  async withdraw(principal: Principal, request_id: string): Promise<SessionRoleRequest> {
    const found = await this.requests.find(this.unitOfWork, principal.project_id, request_id);
    if (!found) throw RoleRequestNotFound({ request_id });
    return this.unitOfWork.run(async (tx) => {
      const { asker, request } = await this.lock(tx, found);
      if (!isOwn(principal, asker)) throw RoleRequestNotFound({ request_id });
      if (request.status === 'withdrawn') return toSessionRoleRequest(request);
      if (request.status !== 'pending') throw settledBefore(request);
      return this.settle(tx, asker, request, WITHDRAWN);
    });
  }

  /** What a participant that goes has asked for. It is locked. */
  async withdrawOf(tx: Transaction, asker: ParticipantRow): Promise<void> {
    const pending = await this.requests.pending(tx, asker);
    if (pending) await this.settle(tx, asker, pending, WITHDRAWN);
  }

  /** A request of a session that the caller may answer for; one out of reach is like none. */
  private async reached(principal: Principal, request_id: string): Promise<RoleRequestRow> {
    const found = await this.requests.find(this.unitOfWork, principal.project_id, request_id);
    if (!found) throw RoleRequestNotFound({ request_id });
    try {
      await this.access.require(principal, found.session_id, 'full');
    } catch (error) {
      throw isDomainError(error, SessionNotFound.code) ? RoleRequestNotFound({ request_id }) : error;
    }
    return found;
  }

  /** That whoever answers reaches all that the asker's share does, where the role counts from then on. */
  private async requireReachOf(principal: Principal, request: RoleRequestRow): Promise<void> {
    const { project_id, request_id, participant_id } = request;
    const share = await this.shares.ofParticipant(this.unitOfWork, project_id, participant_id);
    if (!share) throw RoleRequestNotFound({ request_id });
    const isNarrow = principal.kind === 'share' && principal.share.scope === 'session' && share.scope === 'tree';
    if (isNarrow) throw RoleBeyondReach();
    try {
      if (share.session_id !== null) await this.access.require(principal, share.session_id, 'full');
      else await this.access.requireTask(principal, share.task_id!, 'full');
    } catch (error) {
      if (isDomainError(error, SessionNotFound.code) || isDomainError(error, TaskNotFound.code))
        throw RoleBeyondReach();
      throw error;
    }
  }

  private async lock(
    tx: Transaction,
    { project_id, request_id, participant_id }: RoleRequestRow,
  ): Promise<{ asker: ParticipantRow; request: RoleRequestRow }> {
    const asker = await this.participants.lock(tx, project_id, participant_id);
    const request = await this.requests.find(tx, project_id, request_id);
    if (!asker || !request) throw RoleRequestNotFound({ request_id });
    return { asker, request };
  }

  private async settle(
    tx: Transaction,
    asker: ParticipantRow,
    row: RoleRequestRow,
    end: RoleRequestEnd,
  ): Promise<SessionRoleRequest> {
    const request = toSessionRoleRequest(await this.requests.settle(tx, row, end));
    this.events.requestChanged(tx, asker, request, 'role.answered');
    return request;
  }
}

const WITHDRAWN: RoleRequestEnd = { status: 'withdrawn', by_id: null, granted_role: null };

const settledBefore = ({ request_id, status, answered_by_id }: RoleRequestRow) =>
  RoleRequestSettled({ request_id, status, answered_by_id });

export function toSessionRoleRequest(row: RoleRequestRow): SessionRoleRequest {
  return {
    request_id: row.request_id,
    participant_id: row.participant_id,
    session_id: row.session_id,
    role: row.role,
    status: row.status,
    created_at: row.created_at.toISOString(),
    answered_at: row.answered_at?.toISOString() ?? null,
    answered_by_id: row.answered_by_id,
    granted_role: row.granted_role,
  };
}
