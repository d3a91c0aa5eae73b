import type { Session } from './dto/session.dto.js';
import type { SessionEntity } from './entities/session.entity.js';

export function toSession(row: SessionEntity): Session {
  return {
    session_id: row.session_id,
    name: row.name,
    labels: row.labels,
    created_at: row.created_at.toISOString(),
    updated_at: row.updated_at.toISOString(),
    created_by_id: row.created_by_id,
    updated_by_id: row.updated_by_id,
    archived_at: row.archived_at?.toISOString() ?? null,
    archived_by_id: row.archived_by_id,
  };
}
