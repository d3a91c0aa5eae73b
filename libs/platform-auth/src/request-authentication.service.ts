import { Injectable, Optional } from '@nestjs/common';
import type { IncomingHttpHeaders } from 'node:http';
import { ApiKeys } from './api-keys.service.js';
import { Unauthenticated } from './auth.errors.js';
import type { Principal } from './principal.js';
import { ShareCredentials } from './share-credentials.port.js';
import { isShareToken } from './share-token.rules.js';
import { TURN_CREDENTIAL_PREFIX, TurnCredentials } from './turn-credentials.service.js';

/** The part of a request that is read here: Fastify's request is one. */
export interface AuthenticatedRequest {
  headers: IncomingHttpHeaders;
}

const BEARER = /^Bearer +([^ ]+)$/i;
/** As nearly everybody writes it; other forms only miss the short way. */
const BEARER_PREFIX = 'Bearer ';

const principals = new WeakMap<object, Principal>();

/** Who made a request that the guard has let through; for handlers that take the request itself. */
export function principalOf(request: object): Principal {
  const principal = principals.get(request);
  if (!principal) throw new Error('the request was not authenticated: its route is public, or the guard has not run');
  return principal;
}

/** Reads a request's credential. Asked twice about one request, it looks once. */
@Injectable()
export class RequestAuthentication {
  constructor(
    private readonly apiKeys: ApiKeys,
    private readonly turnCredentials: TurnCredentials,
    /** Absent where nothing is shared: then nobody comes through a share. */
    @Optional() private readonly shareCredentials?: ShareCredentials,
  ) {}

  /** Without waiting, where the credential was found to be good a moment ago; else undefined. Only its caller learns it: `principalOf` does not. */
  known(request: AuthenticatedRequest): Principal | undefined {
    const { authorization } = request.headers;
    if (!authorization?.startsWith(BEARER_PREFIX)) return undefined;
    const text = authorization.slice(BEARER_PREFIX.length);
    return this.issuerOf(text)?.known(text);
  }

  /** Throws `unauthenticated`, or `share_ended` for what was the credential of a share. */
  async principal(request: AuthenticatedRequest): Promise<Principal> {
    const known = principals.get(request);
    if (known) return known;
    const text = BEARER.exec(request.headers.authorization ?? '')?.[1];
    if (!text) throw Unauthenticated();
    const issuer = this.issuerOf(text);
    if (!issuer) throw Unauthenticated();
    const principal = await issuer.authenticate(text);
    principals.set(request, principal);
    return principal;
  }

  private issuerOf(text: string): ApiKeys | TurnCredentials | ShareCredentials | undefined {
    if (isShareToken(text)) return this.shareCredentials;
    return text.startsWith(TURN_CREDENTIAL_PREFIX) ? this.turnCredentials : this.apiKeys;
  }
}
