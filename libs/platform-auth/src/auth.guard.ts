import { Injectable, Optional, type CanActivate, type ExecutionContext } from '@nestjs/common';
import { Reflector } from '@nestjs/core';
import { CredentialKind, PermissionDenied, RouteNotPermitted } from './auth.errors.js';
import {
  KINDS_OF,
  leastRole,
  POLICY,
  SESSION_RULE,
  type ClosedPolicy,
  type Policy,
  type SessionPlace,
  type SessionRule,
} from './policy.decorators.js';
import { hasRole, holds, type Permission, type Principal, type ShareRole } from './principal.js';
import { RequestAuthentication, type AuthenticatedRequest } from './request-authentication.service.js';
import { SessionAccess } from './session-access.port.js';

/** The parts of a request that may name a session, before anything has checked them. */
type NamingRequest = AuthenticatedRequest & { params?: unknown; body?: unknown; query?: unknown };

/**
 * Lets a request through only as its route's policy says, and only to a session that its caller reaches. A route without
 * a policy lets nobody through (law 7), one without a session no share.
 */
@Injectable()
export class AuthGuard implements CanActivate {
  constructor(
    private readonly reflector: Reflector,
    private readonly authentication: RequestAuthentication,
    @Optional() private readonly access?: SessionAccess,
  ) {}

  async canActivate(context: ExecutionContext): Promise<boolean> {
    const targets = [context.getHandler(), context.getClass()];
    const policy = this.reflector.getAllAndOverride<Policy | undefined>(POLICY, targets);
    if (!policy) throw RouteNotPermitted();
    if (policy.for === 'anybody') return true;

    const rule = this.reflector.getAllAndOverride<SessionRule | undefined>(SESSION_RULE, targets);
    const request = context.switchToHttp().getRequest<NamingRequest>();
    const principal = await this.authentication.principal(request);
    requirePolicy(policy, principal, rule);
    if (rule && rule.place.in !== 'handler') {
      await requireReach(this.access, principal, policy, rule, namedIn(request, rule.place));
    }
    return true;
  }
}

/**
 * For routes that no guard stands before. What a share may do in a session is known when that is: `requireReach`. Errors:
 * credential_kind, permission_denied.
 */
export function requirePolicy(policy: ClosedPolicy, principal: Principal, rule?: SessionRule): void {
  const expected = KINDS_OF[policy.for];
  if (principal.kind === 'share') {
    const least = leastRole(policy, rule);
    if (least === 'never') throw CredentialKind({ expected, actual: principal.kind });
    if (rule!.place.in === 'handler') requireRole(principal, least);
    return;
  }
  if (!expected.includes(principal.kind)) throw CredentialKind({ expected, actual: principal.kind });
  if ('permission' in policy && principal.kind === 'user' && !holds(principal, policy.permission)) {
    throw PermissionDenied({ permission: policy.permission });
  }
}

/** Of a share, in a session that it reaches. Errors: permission_denied. */
export function requireRole(principal: Principal, least: ShareRole): void {
  if (principal.kind !== 'share' || hasRole(principal.share.role, least)) return;
  throw PermissionDenied({ permission: PERMISSION_WITH[least] });
}

const PERMISSION_WITH: Record<ShareRole, Permission> = {
  reader: 'VIEW_SESSIONS',
  executor: 'RUN_SESSIONS',
  full: 'EDIT_SESSIONS',
};

/** Errors: session_not_found or task_not_found, permission_denied. */
export async function requireReach(
  access: SessionAccess | undefined,
  principal: Principal,
  policy: ClosedPolicy,
  rule: SessionRule,
  id: unknown,
): Promise<void> {
  if (principal.kind === 'turn' || principal.kind === 'runner') return;
  // Malformed: validation refuses it, and whoever is let in by what it names is not let in by it.
  if (typeof id !== 'string' && principal.kind === 'user') return;
  if (!access) throw new Error('the route is of a session, and nobody says who reaches one');
  const role = leastRole(policy, rule);
  const least = role === 'never' ? 'full' : role;
  const named = typeof id === 'string' ? id : '';
  await (rule.of === 'task' ? access.requireTask(principal, named, least) : access.require(principal, named, least));
}

function namedIn(request: NamingRequest, place: Exclude<SessionPlace, { in: 'handler' }>): unknown {
  const part = request[place.in];
  if (typeof part !== 'object' || part === null || !Object.hasOwn(part, place.name)) return undefined;
  return (part as Record<string, unknown>)[place.name];
}
