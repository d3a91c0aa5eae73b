import { Injectable } from '@nestjs/common';
import type { IncomingHttpHeaders } from 'node:http';
import { ApiKeys } from './api-keys.service.js';
import { Unauthenticated } from './auth.errors.js';
import type { Principal } from './principal.js';
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
  ) {}

  /** Without waiting, where the credential was found to be good a moment ago; else undefined. Only its caller learns it: `principalOf` does not. */
  known(request: AuthenticatedRequest): Principal | undefined {
    const { authorization } = request.headers;
    if (!authorization?.startsWith(BEARER_PREFIX)) return undefined;
    const text = authorization.slice(BEARER_PREFIX.length);
    return this.issuerOf(text).known(text);
  }

  /** Throws `unauthenticated`. */
  async principal(request: AuthenticatedRequest): Promise<Principal> {
    const known = principals.get(request);
    if (known) return known;
    const text = BEARER.exec(request.headers.authorization ?? '')?.[1];
    if (!text) throw Unauthenticated();
    const principal = await this.issuerOf(text).authenticate(text);
    principals.set(request, principal);
    return principal;
  }

  private issuerOf(text: string): ApiKeys | TurnCredentials {
    return text.startsWith(TURN_CREDENTIAL_PREFIX) ? this.turnCredentials : this.apiKeys;
  }
}
