/** What a user's key may allow. RUN_SESSIONS includes RESPOND_INTERACTIONS; no other permission includes another. */
export const PERMISSIONS = [
  'VIEW_SESSIONS',
  'EDIT_SESSIONS',
  'RUN_SESSIONS',
  'RESPOND_INTERACTIONS',
  'MANAGE_PROJECT',
] as const;

export type Permission = (typeof PERMISSIONS)[number];

/** `user`: acts for people, by permissions. `runner`: hosts agents, and may do what runners do and nothing else. */
export type PrincipalKind = 'user' | 'runner';

/** Who calls, as the credential says. The project of every operation comes from here and from nowhere else. */
export interface Principal {
  project_id: string;
  key_id: string;
  kind: PrincipalKind;
  permissions: Permission[];
}

export function holds(principal: Principal, permission: Permission): boolean {
  const { permissions } = principal;
  if (permissions.includes(permission)) return true;
  return permission === 'RESPOND_INTERACTIONS' && permissions.includes('RUN_SESSIONS');
}
