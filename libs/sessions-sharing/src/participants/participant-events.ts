import { Injectable } from '@nestjs/common';
import type { Transaction } from '@holdfast/platform-postgres';
import { SharingLog } from '../ports/sharing-log.port.js';
import type { SessionRoleRequest } from './dto/session-role-request.dto.js';
import { toSessionParticipant } from './participant.mapper.js';
import type { ParticipantRow } from './participants.repository.js';
import { detailedSourceType, type SharedSource } from './source-type.rules.js';

/** Tells the viewers of a session of those among them. Of a participant without a session, nobody is told. */
@Injectable()
export class ParticipantEvents {
  constructor(private readonly log: SharingLog) {}

  /** Where the session comes from, for whoever joined, is on record with the join. */
  joined(tx: Transaction, row: ParticipantRow, source: SharedSource): void {
    const { source_task_id } = source;
    this.tell(tx, row, 'joined', { source_type: detailedSourceType(source), source_task_id });
  }

  updated(tx: Transaction, row: ParticipantRow): void {
    this.tell(tx, row, 'updated', {});
  }

  left(tx: Transaction, row: ParticipantRow, reason: string): void {
    this.tell(tx, row, 'left', { reason });
  }

  /** To whoever saw it being asked, and to where the participant is by now: to each as one of the session itself. */
  requestChanged(
    tx: Transaction,
    participant: ParticipantRow,
    request: SessionRoleRequest,
    type: 'role.requested' | 'role.answered',
  ): void {
    const { project_id } = participant;
    const sessions = new Set([request.session_id]);
    if (participant.session_id !== null && participant.left_at === null) sessions.add(participant.session_id);
    for (const session_id of sessions) {
      this.log.append(tx, { project_id, session_id }, { type, data: { request: { ...request, session_id } } });
    }
  }

  private tell(tx: Transaction, row: ParticipantRow, what: 'joined' | 'updated' | 'left', facts: object): void {
    const { project_id, session_id, join_order } = row;
    if (session_id === null || join_order === null) return;
    const participant = toSessionParticipant({ ...row, join_order, is_here: what !== 'left' });
    this.log.append(tx, { project_id, session_id }, { type: `participant.${what}`, data: { participant, ...facts } });
  }
}
