import type { Principal } from '@holdfast/platform-auth';
import type { ParticipantRow } from './participants.repository.js';

/** Whether a credential is the participant's: a link is nobody's yet. */
export function isOwn(principal: Principal, row: ParticipantRow): boolean {
  return principal.kind === 'share'
    ? principal.share.participant_id === row.participant_id
    : row.key_id === principal.key_id;
}
