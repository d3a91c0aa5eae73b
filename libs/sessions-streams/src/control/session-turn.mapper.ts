import type { SessionTurn } from '../dto/session-turn.dto.js';
import type { TurnRow } from './session-turns.repository.js';

export function toSessionTurn(row: TurnRow): SessionTurn {
  return {
    turn_id: row.turn_id,
    session_id: row.session_id,
    turn_index: row.turn_index,
    status: row.status,
    agent: { name: row.agent_name, revision: row.agent_revision },
    harness: row.harness,
    drive: row.drive,
    approvals: row.approvals,
    prompt: row.prompt,
    detached: row.detached,
    fresh_start: row.fresh_start,
    delivery: row.delivery,
    in_turn_of: row.in_turn_of,
    resumes_turn_id: row.resumes_turn_id,
    attempt: row.attempt,
    lost_attempts: row.lost_attempts,
    max_attempts: row.max_attempts,
    epoch: row.epoch,
    replica_id: row.replica_id,
    agent_session_id: row.agent_session_id,
    stop_reason: row.stop_reason,
    usage: row.usage,
    error: row.error,
    created_at: row.created_at.toISOString(),
    created_by_id: row.created_by_id,
    started_at: row.started_at?.toISOString() ?? null,
    ended_at: row.ended_at?.toISOString() ?? null,
  };
}
