import { SetMetadata, applyDecorators } from '@nestjs/common';
import { ApiBearerAuth, ApiExtension } from '@nestjs/swagger';
import type { Permission, PrincipalKind, ShareRole } from './principal.js';

/** Names of the security schemes in the OpenAPI document. */
export const USER_KEY_SCHEME = 'user_key';
export const RUNNER_KEY_SCHEME = 'runner_key';
export const TURN_CREDENTIAL_SCHEME = 'turn_credential';
export const SHARE_CREDENTIAL_SCHEME = 'share_credential';

/** Metadata keys of a route's policy, and of the session that it is of. */
export const POLICY = 'holdfast:policy';
export const SESSION_RULE = 'holdfast:session';

/** Who may call a route. */
export type Policy = ClosedPolicy | { for: 'anybody' };

/** Who may call a route that takes a credential. */
export type ClosedPolicy =
  | { for: 'user'; permission: Permission }
  | { for: 'runner' }
  | { for: 'turn' }
  | { for: 'runner-or-turn' }
  | { for: 'user-or-turn'; permission: Permission };

/** The kinds of credential that a policy takes. A share's is taken besides a user's where `sharedWith` says so. */
export const KINDS_OF: Record<ClosedPolicy['for'], readonly PrincipalKind[]> = {
  user: ['user'],
  runner: ['runner'],
  turn: ['turn'],
  'runner-or-turn': ['runner', 'turn'],
  'user-or-turn': ['user', 'turn'],
};

/** Where a request names the session or the task that it is of; `handler`: the handler finds out, and checks. */
export type SessionPlace = { in: 'params' | 'body' | 'query'; name: string } | { in: 'handler' };

/** The session or task of a route, which whoever calls must reach. */
export interface SessionRule {
  of: 'session' | 'task';
  place: SessionPlace;
  /**
   * The least role of a share that may call, where it is not the one that holds the permission of the route; `never`: no
   * share may, and only private sessions are kept from others.
   */
  role?: ShareRole | 'never';
}

/** The least role whose permissions hold each; no role does what projects are managed with. */
const ROLE_WITH: Record<Permission, ShareRole | 'never'> = {
  VIEW_SESSIONS: 'reader',
  RUN_SESSIONS: 'executor',
  RESPOND_INTERACTIONS: 'executor',
  EDIT_SESSIONS: 'full',
  MANAGE_PROJECT: 'never',
};

/** The least role whose permissions hold `permission`. */
export const roleWith = (permission: Permission): ShareRole | 'never' => ROLE_WITH[permission];

/** The least role of a share that may call a route; `never` where none may. */
export function leastRole(policy: ClosedPolicy, rule: SessionRule | undefined): ShareRole | 'never' {
  if (!rule || !('permission' in policy)) return 'never';
  return rule.role ?? roleWith(policy.permission);
}

const withPolicy = (policy: Policy) => SetMetadata(POLICY, policy);

/** Only for user keys that hold `permission`. */
export function Permit(permission: Permission): MethodDecorator & ClassDecorator {
  return applyDecorators(
    withPolicy({ for: 'user', permission }),
    ApiBearerAuth(USER_KEY_SCHEME),
    ApiExtension('x-permission', permission),
  );
}

/** Only for runner keys. */
export function RunnerOnly(): MethodDecorator & ClassDecorator {
  return applyDecorators(withPolicy({ for: 'runner' }), ApiBearerAuth(RUNNER_KEY_SCHEME));
}

/** Only for credentials of turns. That it is the turn of the request is for the handler to say: `requireTurnScope`. */
export function TurnOnly(): MethodDecorator & ClassDecorator {
  return applyDecorators(withPolicy({ for: 'turn' }), ApiBearerAuth(TURN_CREDENTIAL_SCHEME));
}

/** For runner keys and credentials of turns; what a turn may ask for is for the handler to say: `requireTurnScope`. */
export function RunnerOrTurn(): MethodDecorator & ClassDecorator {
  return applyDecorators(
    withPolicy({ for: 'runner-or-turn' }),
    ApiBearerAuth(RUNNER_KEY_SCHEME),
    ApiBearerAuth(TURN_CREDENTIAL_SCHEME),
  );
}

/** For user keys that hold `permission`, and for credentials of turns: what a turn may is for the handler to say. */
export function PermitOrTurn(permission: Permission): MethodDecorator & ClassDecorator {
  return applyDecorators(
    withPolicy({ for: 'user-or-turn', permission }),
    ApiBearerAuth(USER_KEY_SCHEME),
    ApiBearerAuth(TURN_CREDENTIAL_SCHEME),
    ApiExtension('x-permission', permission),
  );
}

/** For anybody, without a key. */
export function Public(): MethodDecorator & ClassDecorator {
  return withPolicy({ for: 'anybody' });
}

type NamedIn =
  | { params: string; body?: never; query?: never }
  | { body: string; params?: never; query?: never }
  | { query: string; params?: never; body?: never };

/** Instead of the least role whose permissions hold that of the route. */
type OfRole = Pick<SessionRule, 'role'>;

/**
 * The route is of one session, which its request names there: whoever calls must reach it (`SessionAccess`). A share may
 * call with at least `role`.
 */
export function OfSession({ role, ...named }: NamedIn & OfRole): MethodDecorator {
  return withRule({ of: 'session', place: placeOf(named), role });
}

/** Like `OfSession`, of a task. */
export function OfTask({ role, ...named }: NamedIn & OfRole): MethodDecorator {
  return withRule({ of: 'task', place: placeOf(named), role });
}

/** The handler finds out which sessions the request is of, and asks `SessionAccess` for each. */
export function OfSessionByHandler({ role }: OfRole = {}): MethodDecorator {
  return withRule({ of: 'session', place: { in: 'handler' }, role });
}

function placeOf({ params, body, query }: NamedIn): SessionPlace {
  if (params !== undefined) return { in: 'params', name: params };
  return body !== undefined ? { in: 'body', name: body } : { in: 'query', name: query! };
}

function withRule(rule: SessionRule): MethodDecorator {
  const { of, place, role } = rule;
  const where = place.in === 'handler' ? place.in : `${place.in}.${place.name}`;
  return applyDecorators(
    SetMetadata(SESSION_RULE, rule),
    ...(role === 'never' ? [] : [ApiBearerAuth(SHARE_CREDENTIAL_SCHEME)]),
    ApiExtension('x-share', { ...(role && { role }), of, where }),
  );
}
