import { Injectable } from '@nestjs/common';
import type { Principal } from '@holdfast/platform-auth';
import { UnitOfWork, type Transaction } from '@holdfast/platform-postgres';
import { isDeepStrictEqual } from 'node:util';
import type { SessionParticipantEdit } from './dto/session-participant-edit.dto.js';
import type { SessionParticipant, SessionSelection } from './dto/session-participant.dto.js';
import { ParticipantEvents } from './participant-events.js';
import { isOwn } from './participant-owner.rules.js';
import { toSessionParticipant } from './participant.mapper.js';
import { ParticipantAway, ParticipantNotFound, SelectionElsewhere, SelectionTooLarge } from './participants.errors.js';
import { ParticipantsRepository, type ParticipantRow } from './participants.repository.js';
import { RoleRequests } from './role-requests.service.js';

const MAX_SELECTION_BYTES = 1_024;

/** What participants do with themselves, and with nobody else. */
@Injectable()
export class ParticipantsService {
  constructor(
    private readonly unitOfWork: UnitOfWork,
    private readonly participants: ParticipantsRepository,
    private readonly events: ParticipantEvents,
    private readonly requests: RoleRequests,
  ) {}

  /**
   * Its name and what it points at; what is as before is told to nobody. It counts as heard of in any case.
   * Errors: participant_not_found, participant_away, selection_too_large, selection_elsewhere.
   */
  async edit(principal: Principal, { participant_id, ...change }: SessionParticipantEdit): Promise<SessionParticipant> {
    const selection = change.selection && sizedSelection(change.selection);
    return this.unitOfWork.run(async (tx) => {
      const row = await this.lockOwn(tx, principal, participant_id);
      if (row.left_at !== null) throw ParticipantAway({ participant_id });
      if (selection?.session_id !== undefined && selection.session_id !== row.session_id) throw SelectionElsewhere();

      const next = {
        name: change.name === undefined ? row.name : change.name.trim() || null,
        selection: selection === undefined ? row.selection : selection,
      };
      const edited = await this.participants.edit(tx, row, next);
      const isSame = edited.name === row.name && isDeepStrictEqual(edited.selection, row.selection);
      if (!isSame) this.events.updated(tx, edited);
      return here(edited);
    });
  }

  /** Again changes nothing. With its token it may join again. Errors: participant_not_found. */
  leave(principal: Principal, participant_id: string): Promise<SessionParticipant> {
    return this.unitOfWork.run(async (tx) => {
      const row = await this.lockOwn(tx, principal, participant_id);
      return here(row.left_at === null ? await this.letGo(tx, row, 'left') : row);
    });
  }

  /** Somebody goes, or is gone; what they asked for goes with them. */
  async letGo(tx: Transaction, row: ParticipantRow, reason: string): Promise<ParticipantRow> {
    await this.requests.withdrawOf(tx, row);
    const gone = await this.participants.leave(tx, row, reason);
    this.events.left(tx, gone, reason);
    return gone;
  }

  private async lockOwn(tx: Transaction, principal: Principal, participant_id: string): Promise<ParticipantRow> {
    const row = await this.participants.lock(tx, principal.project_id, participant_id);
    if (!row || !isOwn(principal, row)) throw ParticipantNotFound({ participant_id });
    return row;
  }
}

/** The participant as it is seen where it is; one without a session has no place among others. */
function here(row: ParticipantRow): SessionParticipant {
  const is_here = row.session_id !== null && row.left_at === null;
  return toSessionParticipant({ ...row, join_order: row.join_order ?? 0, is_here });
}

function sizedSelection(selection: SessionSelection): SessionSelection {
  const plain = { ...selection };
  const bytes = Buffer.byteLength(JSON.stringify(plain));
  if (bytes > MAX_SELECTION_BYTES) throw SelectionTooLarge({ bytes, limit_bytes: MAX_SELECTION_BYTES });
  return plain;
}
