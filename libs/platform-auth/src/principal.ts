/** What a user's key may allow. RUN_SESSIONS includes RESPOND_INTERACTIONS; no other permission includes another. */
export const PERMISSIONS = [
  'VIEW_SESSIONS',
  'EDIT_SESSIONS',
  'RUN_SESSIONS',
  'RESPOND_INTERACTIONS',
  'MANAGE_PROJECT',
] as const;

export type Permission = (typeof PERMISSIONS)[number];

/** `user`: acts for people, by permissions. `runner`: takes turns and keeps them, and writes nothing for any. */
export type KeyKind = 'user' | 'runner';

/**
 * `turn`: writes for one attempt of one turn, and does nothing else. `share`: somebody who came through a share, and
 * reaches what that opens.
 */
export type PrincipalKind = KeyKind | 'turn' | 'share';

/** One attempt of one turn. */
export interface TurnScope {
  session_id: string;
  turn_id: string;
  /** The fence: moved on, the credential still says who calls, and every write is refused with stale_epoch. */
  epoch: number;
}

/** Who calls, as the credential says. The project of every operation comes from here and from nowhere else. */
export type Principal = KeyPrincipal | TurnPrincipal | SharePrincipal;

export interface KeyPrincipal {
  project_id: string;
  key_id: string;
  kind: KeyKind;
  permissions: Permission[];
}

export interface TurnPrincipal {
  project_id: string;
  /** The runner's key that claimed the turn; the turn itself where it was pushed to a service. */
  key_id: string;
  kind: 'turn';
  /** Always none. */
  permissions: Permission[];
  turn: TurnScope;
}

/** What a share lets people do; each includes the ones before it. */
export const SHARE_ROLES = ['reader', 'executor', 'full'] as const;
export type ShareRole = (typeof SHARE_ROLES)[number];

/** `session`: the host only. `tree`: the host and all that descend from it, now and later. */
export const SHARE_SCOPES = ['session', 'tree'] as const;
export type ShareScope = (typeof SHARE_SCOPES)[number];

/** Why a share is no more. `stopped`: whoever shared has finished; `revoked`: it was taken away; the rest befell its host. */
export const SHARE_END_REASONS = [
  'stopped',
  'revoked',
  'expired',
  'killed',
  'archived',
  'deleted',
  'runner_lost',
] as const;
export type ShareEndReason = (typeof SHARE_END_REASONS)[number];

/** What somebody holds who came through a share. */
export interface ShareGrant {
  share_id: string;
  /** Who came; null for the link itself, which nobody has joined with yet. */
  participant_id: string | null;
  /** The participant's own role where they were given one, else the share's; never above that of whoever made the share. */
  role: ShareRole;
  scope: ShareScope;
  /** The host; null while its task has none. */
  session_id: string | null;
  /** The task of the host; null where that has none. */
  task_id: string | null;
  /** The key that shared in the first place; null: none. Of private sessions, its own are open through the share. */
  maker_id: string | null;
}

export interface SharePrincipal {
  project_id: string;
  /** The participant, or the share where the link itself is used. */
  key_id: string;
  kind: 'share';
  /** Those of the role, within the reach of the share only. */
  permissions: Permission[];
  share: ShareGrant;
}

const PERMISSIONS_OF: Record<ShareRole, Permission[]> = {
  reader: ['VIEW_SESSIONS'],
  executor: ['VIEW_SESSIONS', 'RUN_SESSIONS'],
  full: ['VIEW_SESSIONS', 'RUN_SESSIONS', 'EDIT_SESSIONS'],
};

/** Who acts with what was granted. */
export function sharePrincipal(project_id: string, share: ShareGrant): SharePrincipal {
  const key_id = share.participant_id ?? share.share_id;
  return { project_id, key_id, kind: 'share', permissions: PERMISSIONS_OF[share.role], share };
}

/** Whether whoever has `role` may do what takes `least`. */
export function hasRole(role: ShareRole, least: ShareRole): boolean {
  return SHARE_ROLES.indexOf(role) >= SHARE_ROLES.indexOf(least);
}

export function holds(principal: Principal, permission: Permission): boolean {
  const { permissions } = principal;
  if (permissions.includes(permission)) return true;
  return permission === 'RESPOND_INTERACTIONS' && permissions.includes('RUN_SESSIONS');
}
