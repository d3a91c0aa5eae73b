import { defineError } from '@holdfast/platform-errors';
import type { Permission, PrincipalKind, ShareEndReason, TurnScope } from './principal.js';

/** One answer for a missing, malformed, unknown, expired and revoked credential, so that it tells nothing about them. */
export const Unauthenticated = defineError({
  code: 'unauthenticated',
  kind: 'unauthenticated',
  title: 'Unauthenticated',
  detail: () =>
    'Send a valid API key as "Authorization: Bearer <key>". It may be missing, unknown, expired or revoked.',
});

export const PermissionDenied = defineError<{ permission: Permission }>({
  code: 'permission_denied',
  kind: 'forbidden',
  title: 'Permission denied',
  detail: ({ permission }) => `This needs a key with the permission ${permission}.`,
  members: ({ permission }) => ({ permission }),
});

const CREDENTIALS: Record<PrincipalKind, string> = {
  user: 'a user key',
  runner: 'a runner key',
  turn: "a turn's credential",
  share: "a share's credential",
};

export const CredentialKind = defineError<{ expected: readonly PrincipalKind[]; actual: PrincipalKind }>({
  code: 'credential_kind',
  kind: 'forbidden',
  title: 'Wrong kind of credential',
  detail: ({ expected, actual }) =>
    `This operation takes ${expected.map((kind) => CREDENTIALS[kind]).join(' or ')}; the request carries ${CREDENTIALS[actual]}.`,
  members: ({ expected }) => ({ expected: expected.join(' or ') }),
});

/** A turn's credential was used for something else than the attempt that it was made for. */
export const CredentialScope = defineError<{ turn: TurnScope; field: keyof TurnScope | 'replica_id' }>({
  code: 'credential_scope',
  kind: 'forbidden',
  title: 'Outside of what the credential is for',
  detail: ({ turn: { session_id, turn_id, epoch }, field }) =>
    field === 'replica_id'
      ? `The credential is for turn ${turn_id} of session "${session_id}" only. A service that the turn was pushed to names it as replica_id; a runner speaks for itself with its own key.`
      : `The credential is for turn ${turn_id} of session "${session_id}" under epoch ${epoch} only; the request names another ${field}.`,
  members: ({ field }) => ({ field }),
});

/** Told to nobody but the holder of the right token. */
export const ShareEnded = defineError<{ reason: ShareEndReason }>({
  code: 'share_ended',
  kind: 'forbidden',
  title: 'Share ended',
  detail: ({ reason }) => `What this credential opened is not shared any more (${reason}).`,
  members: ({ reason }) => ({ reason }),
});

/** The route declares no policy, so nobody may call it. */
export const RouteNotPermitted = defineError({
  code: 'route_not_permitted',
  kind: 'forbidden',
  title: 'Route not permitted',
  detail: () => 'Nobody may call this operation: it declares no access policy.',
});

export const ApiKeyNotFound = defineError<{ id: string }>({
  code: 'api_key_not_found',
  kind: 'not-found',
  title: 'API key not found',
  detail: ({ id }) => `There is no API key "${id}" in this project.`,
});
