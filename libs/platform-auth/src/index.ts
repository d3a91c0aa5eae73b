export { ApiKeys } from './api-keys.service.js';
export type { ApiKeyCreate, CreatedApiKey } from './api-keys.service.js';
export {
  ApiKeyNotFound,
  CredentialKind,
  CredentialScope,
  PermissionDenied,
  RouteNotPermitted,
  ShareEnded,
  Unauthenticated,
} from './auth.errors.js';
export { requirePolicy, requireReach, requireRole } from './auth.guard.js';
export { AuthModule } from './auth.module.js';
export { CurrentPrincipal } from './current-principal.decorator.js';
export { authPersistence } from './persistence.js';
export type { ClosedPolicy, Policy, SessionPlace, SessionRule } from './policy.decorators.js';
export {
  leastRole,
  OfSession,
  OfSessionByHandler,
  OfTask,
  Permit,
  PermitOrTurn,
  Public,
  roleWith,
  RUNNER_KEY_SCHEME,
  RunnerOnly,
  RunnerOrTurn,
  SHARE_CREDENTIAL_SCHEME,
  TURN_CREDENTIAL_SCHEME,
  TurnOnly,
  USER_KEY_SCHEME,
} from './policy.decorators.js';
export {
  PERMISSIONS,
  SHARE_END_REASONS,
  SHARE_ROLES,
  SHARE_SCOPES,
  hasRole,
  holds,
  sharePrincipal,
} from './principal.js';
export type {
  KeyKind,
  KeyPrincipal,
  Permission,
  Principal,
  PrincipalKind,
  ShareEndReason,
  ShareGrant,
  SharePrincipal,
  ShareRole,
  ShareScope,
  TurnPrincipal,
  TurnScope,
} from './principal.js';
export { PrivateSessions, notPrivateToOthers } from './private-sessions.js';
export { ProjectSettings, ProjectSettingsEdit } from './project-settings.dto.js';
export { ProjectSettingsService } from './project-settings.service.js';
export { RequestAuthentication, principalOf } from './request-authentication.service.js';
export type { AuthenticatedRequest } from './request-authentication.service.js';
export { routesWithoutPolicy } from './routes-without-policy.js';
export { SessionAccess } from './session-access.port.js';
export type { Reads } from './session-access.port.js';
export { ShareCredentials } from './share-credentials.port.js';
export { mintShareToken, readShareToken } from './share-token.rules.js';
export type { MintedShareToken, ShareTokenKind } from './share-token.rules.js';
export { TurnCredentials } from './turn-credentials.service.js';
export type { TurnCredentialHolder } from './turn-credentials.service.js';
export { requireTurnScope } from './turn-scope.rules.js';
