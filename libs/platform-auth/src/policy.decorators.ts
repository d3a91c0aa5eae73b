import { SetMetadata, applyDecorators } from '@nestjs/common';
import { ApiBearerAuth, ApiExtension } from '@nestjs/swagger';
import type { Permission } from './principal.js';

/** Names of the security schemes in the OpenAPI document. */
export const USER_KEY_SCHEME = 'user_key';
export const RUNNER_KEY_SCHEME = 'runner_key';

/** Metadata key of a route's policy. */
export const POLICY = 'holdfast:policy';

/** Who may call a route. */
export type Policy = { for: 'user'; permission: Permission } | { for: 'runner' } | { for: 'anybody' };

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

/** For anybody, without a key. */
export function Public(): MethodDecorator & ClassDecorator {
  return withPolicy({ for: 'anybody' });
}
