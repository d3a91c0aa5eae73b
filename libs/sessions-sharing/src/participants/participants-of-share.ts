import { Injectable } from '@nestjs/common';
import { SHARE_ROLES, type ShareRole } from '@holdfast/platform-auth';
import type { Transaction } from '@holdfast/platform-postgres';
import { ParticipantEvents } from './participant-events.js';
import { isAbove } from './participant-role.rules.js';
import { ParticipantsRepository } from './participants.repository.js';
import { RoleRequests } from './role-requests.service.js';

/** What becomes of those who came through a share when that changes. */
@Injectable()
export class ParticipantsOfShare {
  constructor(
    private readonly participants: ParticipantsRepository,
    private readonly events: ParticipantEvents,
    private readonly requests: RoleRequests,
  ) {}

  /**
   * The share gives another role. Lowered, it lowers everybody, whatever they were given beyond it; raised, it takes the
   * place of what is not more.
   */
  async roleChanged(tx: Transaction, { project_id, share_id, role: from }: ChangedShare, to: ShareRole): Promise<void> {
    const roles = SHARE_ROLES.filter((role) => isAbove(from, to) || !isAbove(role, to));
    const rows = await this.participants.takeRoles(tx, project_id, share_id, roles);
    for (const row of rows) if (row.left_at === null) this.events.updated(tx, row);
  }

  /** Their credentials end with the link that they came by. Call before they do. */
  async cutOff(tx: Transaction, { project_id, share_id }: Omit<ChangedShare, 'role'>): Promise<void> {
    for (const row of await this.participants.lockOfShare(tx, project_id, share_id)) {
      await this.requests.withdrawOf(tx, row);
      this.events.left(tx, row, 'rotated');
    }
  }
}

interface ChangedShare {
  project_id: string;
  share_id: string;
  role: ShareRole;
}
