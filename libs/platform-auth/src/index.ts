export { ApiKeys } from './api-keys.service.js';
export type { ApiKeyCreate, CreatedApiKey } from './api-keys.service.js';
export {
  ApiKeyNotFound,
  CredentialKind,
  CredentialScope,
  PermissionDenied,
  RouteNotPermitted,
  Unauthenticated,
} from './auth.errors.js';
export { requirePolicy } from './auth.guard.js';
export { AuthModule } from './auth.module.js';
export { CurrentPrincipal } from './current-principal.decorator.js';
export { authPersistence } from './persistence.js';
export type { ClosedPolicy, Policy } from './policy.decorators.js';
export {
  Permit,
  PermitOrTurn,
  Public,
  RUNNER_KEY_SCHEME,
  RunnerOnly,
  RunnerOrTurn,
  TURN_CREDENTIAL_SCHEME,
  TurnOnly,
  USER_KEY_SCHEME,
} from './policy.decorators.js';
export { PERMISSIONS, holds } from './principal.js';
export type {
  KeyKind,
  KeyPrincipal,
  Permission,
  Principal,
  PrincipalKind,
  TurnPrincipal,
  TurnScope,
} from './principal.js';
export { ProjectSettings, ProjectSettingsEdit } from './project-settings.dto.js';
export { ProjectSettingsService } from './project-settings.service.js';
export { RequestAuthentication, principalOf } from './request-authentication.service.js';
export type { AuthenticatedRequest } from './request-authentication.service.js';
export { routesWithoutPolicy } from './routes-without-policy.js';
export { TurnCredentials } from './turn-credentials.service.js';
export type { TurnCredentialHolder } from './turn-credentials.service.js';
export { requireTurnScope } from './turn-scope.rules.js';
