import type { ShareEndReason, ShareRole, ShareScope } from '@holdfast/platform-auth';
import type { SessionShare, ShareOrigin } from './dto/session-share.dto.js';
import type { SessionSourceType, SourceUnit } from './dto/session-share-source.dto.js';

/** A share with what its host is now. */
export interface ShareRow {
  project_id: string;
  share_id: string;
  /** What it was made for: one of the two. */
  session_id: string | null;
  task_id: string | null;
  scope: ShareScope;
  role: ShareRole;
  token_prefix: string | null;
  name: string | null;
  source_type: SourceUnit;
  ambient_task_id: string | null;
  source_task_id: string | null;
  origin: ShareOrigin;
  parent_share_id: string | null;
  expires_at: Date | null;
  ended_at: Date | null;
  end_reason: ShareEndReason | null;
  created_at: Date;
  created_by_id: string | null;
  updated_at: Date;
  host_session_id: string | null;
  host_task_id: string | null;
  /** Its time is over, whether or not anybody has noted that yet. */
  is_overdue: boolean;
}

export function toSessionShare(row: ShareRow): SessionShare {
  const { ended_at, end_reason } = endOf(row);
  return {
    share_id: row.share_id,
    session_id: row.host_session_id,
    task_id: row.host_task_id,
    scope: row.scope,
    role: row.role,
    name: row.name,
    origin: row.origin,
    source_type: sourceTypeOf(row),
    source_task_id: row.source_task_id,
    is_ambient: row.source_type === 'ambient_agent',
    parent_share_id: row.parent_share_id,
    token_prefix: row.token_prefix,
    expires_at: row.expires_at?.toISOString() ?? null,
    ended_at: ended_at?.toISOString() ?? null,
    end_reason,
    created_at: row.created_at.toISOString(),
    created_by_id: row.created_by_id,
    updated_at: row.updated_at.toISOString(),
  };
}

/** Where it comes from, in its full form: a bare string for a user, for ever. */
export function sourceTypeOf({
  source_type,
  ambient_task_id,
}: Pick<ShareRow, 'source_type' | 'ambient_task_id'>): SessionSourceType {
  return source_type === 'user' ? 'user' : { ambient_agent: { task_id: ambient_task_id } };
}

/** When and why it ended, if it has. */
export function endOf({
  ended_at,
  end_reason,
  expires_at,
  is_overdue,
}: Pick<ShareRow, 'ended_at' | 'end_reason' | 'expires_at' | 'is_overdue'>): Pick<ShareRow, 'ended_at' | 'end_reason'> {
  return is_overdue && ended_at === null ? { ended_at: expires_at, end_reason: 'expired' } : { ended_at, end_reason };
}
