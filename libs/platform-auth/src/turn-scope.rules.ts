import { CredentialScope } from './auth.errors.js';
import type { Principal, TurnScope } from './principal.js';

/**
 * Lets a turn's credential speak for its own attempt only: every part that the request names must be the credential's.
 * A turn that was pushed to a service owns itself: it is its own replica, and no other turn may speak as a replica.
 * Says nothing of other principals, which are for the route's policy to judge. Errors: credential_scope.
 */
export function requireTurnScope(principal: Principal, named: Partial<TurnScope & { replica_id: string }>): void {
  if (principal.kind !== 'turn') return;
  const { turn, key_id } = principal;
  const own = { ...turn, replica_id: key_id === turn.turn_id ? turn.turn_id : undefined };
  for (const field of ['session_id', 'turn_id', 'epoch', 'replica_id'] as const) {
    if (named[field] !== undefined && named[field] !== own[field]) throw CredentialScope({ turn, field });
  }
}
