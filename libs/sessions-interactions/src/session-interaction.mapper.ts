import type { SessionInteraction } from './dto/session-interaction.dto.js';
import type { InteractionRow } from './session-interactions.repository.js';

export function toSessionInteraction(row: InteractionRow): SessionInteraction {
  return {
    interaction_id: row.id,
    session_id: row.session_id,
    turn_id: row.turn_id,
    epoch: row.epoch,
    token: row.token,
    kind: row.kind,
    status: row.status,
    request: row.request,
    verdict: row.verdict,
    created_at: row.created_at.toISOString(),
    responded_at: row.responded_at?.toISOString() ?? null,
    responded_by_id: row.responded_by_id,
    delivered_at: row.delivered_at?.toISOString() ?? null,
    resolved_at: row.resolved_at?.toISOString() ?? null,
    cancelled_at: row.cancelled_at?.toISOString() ?? null,
    cancel_reason: row.cancel_reason,
  };
}
