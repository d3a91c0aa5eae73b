import { defineError } from '@holdfast/platform-errors';
import type { Permission, PrincipalKind } from './principal.js';

/** One answer for a missing, malformed, unknown, expired and revoked key, so that it tells nothing about keys. */
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

export const CredentialKind = defineError<{ expected: PrincipalKind; actual: PrincipalKind }>({
  code: 'credential_kind',
  kind: 'forbidden',
  title: 'Wrong kind of credential',
  detail: ({ expected, actual }) => `This operation takes a ${expected} key; the request carries a ${actual} key.`,
  members: ({ expected }) => ({ expected }),
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
