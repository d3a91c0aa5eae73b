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

/** `turn`: writes for one attempt of one turn, and does nothing else. */
export type PrincipalKind = KeyKind | 'turn';

/** One attempt of one turn. */
export interface TurnScope {
  session_id: string;
  turn_id: string;
  /** The fence: moved on, the credential still says who calls, and every write is refused with stale_epoch. */
  epoch: number;
}

/** Who calls, as the credential says. The project of every operation comes from here and from nowhere else. */
export type Principal = KeyPrincipal | TurnPrincipal;

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

export function holds(principal: Principal, permission: Permission): boolean {
  const { permissions } = principal;
  if (permissions.includes(permission)) return true;
  return permission === 'RESPOND_INTERACTIONS' && permissions.includes('RUN_SESSIONS');
}
