import { SetMetadata, applyDecorators } from '@nestjs/common';
import { ApiBearerAuth, ApiExtension } from '@nestjs/swagger';
import type { Permission, PrincipalKind } from './principal.js';

/** Names of the security schemes in the OpenAPI document. */
export const USER_KEY_SCHEME = 'user_key';
export const RUNNER_KEY_SCHEME = 'runner_key';
export const TURN_CREDENTIAL_SCHEME = 'turn_credential';

/** Metadata key of a route's policy. */
export const POLICY = 'holdfast:policy';

/** Who may call a route. */
export type Policy = ClosedPolicy | { for: 'anybody' };

/** Who may call a route that takes a credential. */
export type ClosedPolicy =
  | { for: 'user'; permission: Permission }
  | { for: 'runner' }
  | { for: 'turn' }
  | { for: 'runner-or-turn' }
  | { for: 'user-or-turn'; permission: Permission };

/** The kinds of credential that a policy takes. */
export const KINDS_OF: Record<ClosedPolicy['for'], readonly PrincipalKind[]> = {
  user: ['user'],
  runner: ['runner'],
  turn: ['turn'],
  'runner-or-turn': ['runner', 'turn'],
  'user-or-turn': ['user', 'turn'],
};

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
