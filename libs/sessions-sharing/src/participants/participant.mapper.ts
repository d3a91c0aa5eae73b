import type { SessionParticipant } from './dto/session-participant.dto.js';
import type { VisitRow } from './participants.repository.js';

/** The participant as one session sees it: of another one that it looks at, nothing is told. */
export function toSessionParticipant(row: VisitRow): SessionParticipant {
  return {
    participant_id: row.participant_id,
    name: row.name,
    role: row.role,
    kind: row.key_id === null ? 'share' : 'key',
    join_order: row.join_order,
    joined_at: row.joined_at.toISOString(),
    last_seen_at: row.last_seen_at.toISOString(),
    is_present: row.is_here && row.is_fresh,
    session_id: row.is_here ? row.session_id : null,
    selection: row.is_here ? row.selection : null,
  };
}
