import { hasRole, holds, SHARE_ROLES, type Permission, type Principal, type ShareRole } from '@holdfast/platform-auth';

/** What each role adds to the one before it. */
const ADDED: Record<ShareRole, Permission> = {
  reader: 'VIEW_SESSIONS',
  executor: 'RUN_SESSIONS',
  full: 'EDIT_SESSIONS',
};

export const isAbove = (one: ShareRole, other: ShareRole): boolean => !hasRole(other, one);

export const lesserOf = (one: ShareRole, other: ShareRole): ShareRole => (isAbove(one, other) ? other : one);

/** The highest role all of whose permissions somebody holds who may at least look. */
export function roleOf(principal: Principal): ShareRole {
  if (principal.kind === 'share') return principal.share.role;
  const missing = SHARE_ROLES.findIndex((role) => !holds(principal, ADDED[role]));
  return missing === -1 ? 'full' : SHARE_ROLES[Math.max(missing - 1, 0)]!;
}
