import { Injectable } from '@nestjs/common';
import type { Principal } from '@holdfast/platform-auth';
import { ParticipantsRepository } from './participants.repository.js';

/** Who is there, as their open views say. */
@Injectable()
export class ParticipantPresence {
  constructor(private readonly participants: ParticipantsRepository) {}

  /**
   * An open view of these sessions is still held. Through a share that is its participant, whichever session that looks
   * at; a key may have several, and those of them are meant that look at one of the sessions.
   */
  async seen(principal: Principal, session_ids: string[]): Promise<void> {
    const { project_id } = principal;
    if (principal.kind === 'user') return this.participants.seen(project_id, { key_id: principal.key_id, session_ids });
    const participant_id = principal.kind === 'share' ? principal.share.participant_id : null;
    if (participant_id !== null) await this.participants.seen(project_id, { participant_id });
  }
}
