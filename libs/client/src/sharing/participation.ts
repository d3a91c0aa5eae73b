import type { SessionSelection } from '../generated/models/SessionSelection.js';
import type { HoldfastClient } from '../holdfast-client.js';
import type { LiveView } from './live-view.js';
import { sessionOf } from './session-of.js';
import type { OwnRoleRequest, ShareRole } from './roster.js';

/** A viewer among those who look at a session. It acts for itself and on the session that it looks at, on no other. */
export class Participation {
  constructor(
    private readonly client: HoldfastClient,
    private readonly view: LiveView,
  ) {}

  get participant_id(): string {
    return this.roster.own_id;
  }

  get role(): ShareRole {
    return this.roster.role;
  }

  /** The last wish for another role, and what became of it. */
  get roleRequest(): OwnRoleRequest {
    return this.roster.roleRequest;
  }

  /** Shows others what this viewer points at; null for nothing. */
  select(selection: SessionSelection | null): Promise<void> {
    return this.edit({ selection });
  }

  rename(name: string): Promise<void> {
    return this.edit({ name });
  }

  /** Asks those who may answer. Errors: role_request_pending, and those of the api. */
  async requestRole(role: 'executor' | 'full'): Promise<void> {
    const { participant_id } = this;
    const SessionRoleRequestCreate = { participant_id, role };
    const request = await this.client.participants.requestSessionRole({ SessionRoleRequestCreate });
    this.roster.note('requested', request);
  }

  async withdrawRoleRequest(): Promise<void> {
    const { request_id, role } = this.roleRequest;
    if (request_id === null || role === null) return;
    await this.client.participants.withdrawSessionRoleRequest({ SessionRoleRequestWithdraw: { request_id } });
    this.roster.note('withdrawn', { request_id, role });
  }

  /** Looks who is there now: whoever goes without a word is heard of no more after 45 s, which no event tells. */
  async refreshParticipants(): Promise<void> {
    const SessionParticipantQuery = { session_id: sessionOf(this.view), limit: 200 };
    const { data } = await this.client.participants.querySessionParticipants({ SessionParticipantQuery });
    this.roster.replace(data);
  }

  /** Goes away for good: the view ends, and others see it. */
  async leave(): Promise<void> {
    const SessionParticipantLeave = { participant_id: this.participant_id };
    await this.client.participants.leaveSession({ SessionParticipantLeave });
    this.view.end('left');
  }

  private get roster() {
    const { roster } = this.view;
    if (!roster) throw new TypeError('Join first: that happens when the view is followed.');
    return roster;
  }

  private async edit(change: { name?: string; selection?: SessionSelection | null }): Promise<void> {
    const SessionParticipantEdit = { participant_id: this.participant_id, ...change };
    await this.client.participants.editSessionParticipant({ SessionParticipantEdit });
  }
}
