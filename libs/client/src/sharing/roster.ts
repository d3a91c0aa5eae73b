import { SessionParticipantFromJSON, type SessionParticipant } from '../generated/models/SessionParticipant.js';
import type { SessionShareRole } from '../generated/models/SessionShareRole.js';
import type { SessionEvent } from '../session-event.js';
import { ROLE_REQUEST, type RoleRequestEvent, type RoleRequestStatus } from './role-request.table.js';

export type ShareRole = SessionShareRole;

/** Somebody who joined the session, as others see them. */
export type ViewParticipant = SessionParticipant;

export interface OwnRoleRequest {
  status: RoleRequestStatus;
  request_id: string | null;
  role: ShareRole | null;
}

/** Who is there, and what became of the own wish for another role. From the join on it follows the session's log. */
export class Roster {
  private readonly known = new Map<string, ViewParticipant>();
  private request: OwnRoleRequest = { status: 'none', request_id: null, role: null };

  constructor(
    readonly own_id: string,
    private ownRole: ShareRole,
    participants: Iterable<ViewParticipant>,
  ) {
    this.replace(participants);
  }

  /** These are all who look at the session now. */
  replace(participants: Iterable<ViewParticipant>): void {
    this.known.clear();
    for (const participant of participants) this.known.set(participant.participant_id, participant);
  }

  get role(): ShareRole {
    return this.ownRole;
  }

  get roleRequest(): OwnRoleRequest {
    return this.request;
  }

  /** In the order of joining. */
  participants(): ViewParticipant[] {
    return [...this.known.values()].sort((one, other) => one.join_order - other.join_order);
  }

  /** Whether the event changed anything. */
  see({ type, data }: SessionEvent): boolean {
    switch (type) {
      case 'participant.joined':
      case 'participant.updated':
        return this.meet(data);
      case 'participant.left':
        return this.part(data);
      case 'role.requested':
      case 'role.answered':
        return this.hearRequest(data);
      default:
        return false;
    }
  }

  /** The api has taken or withdrawn the own request. */
  note(event: RoleRequestEvent, { request_id, role }: { request_id: string; role: ShareRole }): boolean {
    const isOther = event !== 'requested' && this.request.request_id !== request_id;
    const status = isOther ? undefined : ROLE_REQUEST[this.request.status][event];
    if (!status) return false;
    this.request = { status, request_id, role };
    return true;
  }

  private meet({ participant }: Record<string, unknown>): boolean {
    const told = SessionParticipantFromJSON(participant);
    this.known.set(told.participant_id, told);
    if (told.participant_id === this.own_id) this.ownRole = told.role;
    return true;
  }

  private part({ participant }: Record<string, unknown>): boolean {
    return this.known.delete((participant as ViewParticipant).participant_id);
  }

  private hearRequest({ request }: Record<string, unknown>): boolean {
    const { participant_id, status, granted_role, ...told } = request as ToldRequest;
    if (participant_id !== this.own_id) return false;
    if (status === 'approved' && granted_role) this.ownRole = granted_role;
    return this.note(status === 'pending' ? 'requested' : status, told);
  }
}

interface ToldRequest {
  request_id: string;
  participant_id: string;
  role: ShareRole;
  status: 'pending' | 'approved' | 'denied' | 'withdrawn';
  granted_role: ShareRole | null;
}
