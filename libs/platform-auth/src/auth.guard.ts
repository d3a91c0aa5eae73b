import { Injectable, type CanActivate, type ExecutionContext } from '@nestjs/common';
import { Reflector } from '@nestjs/core';
import { CredentialKind, PermissionDenied, RouteNotPermitted } from './auth.errors.js';
import { KINDS_OF, POLICY, type ClosedPolicy, type Policy } from './policy.decorators.js';
import { holds, type Principal } from './principal.js';
import { RequestAuthentication, type AuthenticatedRequest } from './request-authentication.service.js';

/** Lets a request through only as its route's policy says. A route without a policy lets nobody through (law 7). */
@Injectable()
export class AuthGuard implements CanActivate {
  constructor(
    private readonly reflector: Reflector,
    private readonly authentication: RequestAuthentication,
  ) {}

  async canActivate(context: ExecutionContext): Promise<boolean> {
    const policy = this.reflector.getAllAndOverride<Policy | undefined>(POLICY, [
      context.getHandler(),
      context.getClass(),
    ]);
    if (!policy) throw RouteNotPermitted();
    if (policy.for === 'anybody') return true;

    requirePolicy(
      policy,
      await this.authentication.principal(context.switchToHttp().getRequest<AuthenticatedRequest>()),
    );
    return true;
  }
}

/** For routes that no guard stands before. Errors: credential_kind, permission_denied. */
export function requirePolicy(policy: ClosedPolicy, principal: Principal): void {
  const expected = KINDS_OF[policy.for];
  if (!expected.includes(principal.kind)) throw CredentialKind({ expected, actual: principal.kind });
  if ('permission' in policy && principal.kind === 'user' && !holds(principal, policy.permission)) {
    throw PermissionDenied({ permission: policy.permission });
  }
}
