import { Injectable } from '@nestjs/common';
import { errors, jwtVerify, SignJWT, type JWTHeaderParameters } from 'jose';
import { Unauthenticated } from './auth.errors.js';
import type { TurnPrincipal, TurnScope } from './principal.js';
import { TurnCredentialKeys } from './turn-credential-keys.js';

/** How a turn's credential begins; what follows is a JWT (RFC 7519) in compact form. */
export const TURN_CREDENTIAL_PREFIX = 'hf_turn_';

/** Longer than any that is made: the longest session id takes 128 characters. */
const MAX_CHARACTERS = 1_024;
const COMPACT_JWS = /^[A-Za-z0-9_-]+\.[A-Za-z0-9_-]+\.[A-Za-z0-9_-]+$/;
/** The one algorithm that is taken, and a type of its own, so that no other token passes for one (RFC 8725, 3.1 and 3.11). */
const ALGORITHM = 'HS256';
const TYPE = 'hf-turn+jwt';

const LIFE_MS = 15 * 60_000;
/** By how much the clocks of two api processes may differ. */
const LEEWAY_MS = 30_000;

/** A signature is checked again after this, so that a key that was taken away stops working. */
const VERIFIED_FOR_MS = 60_000;
const VERIFIED_CREDENTIALS = 20_000;

/** Who a credential is made for: an attempt of a turn, and the runner's key that claimed it (or the pushed turn's id). */
export type TurnCredentialHolder = TurnScope & { project_id: string; key_id: string };

/**
 * Credentials of turns: who may write for one attempt of one turn. They are signed, not stored, and none is ever taken
 * back: what ends an attempt moves the session's epoch, and the fence refuses every write under an older one.
 */
@Injectable()
export class TurnCredentials {
  private readonly verified = new Map<string, { principal: TurnPrincipal; until: number }>();

  constructor(private readonly keys: TurnCredentialKeys) {}

  /** A new credential, for the turn's owner and nobody else. It is good for 15 minutes. */
  async mint({ project_id, key_id, session_id, turn_id, epoch }: TurnCredentialHolder): Promise<string> {
    const { kid, secret } = await this.keys.current();
    const token = await new SignJWT({ project_id, key_id, session_id, turn_id, epoch })
      .setProtectedHeader({ alg: ALGORITHM, typ: TYPE, kid })
      .setExpirationTime(new Date(Date.now() + LIFE_MS))
      .sign(secret);
    return TURN_CREDENTIAL_PREFIX + token;
  }

  /** Who a credential stands for, when its signature was checked lately. The text is found by a hash of its own. */
  known(text: string): TurnPrincipal | undefined {
    const verified = this.verified.get(text);
    if (!verified) return undefined;
    if (performance.now() < verified.until) return verified.principal;
    this.verified.delete(text);
    return undefined;
  }

  /** Who a credential stands for. One that is malformed costs no query and no signature. Throws `unauthenticated`. */
  async authenticate(text: string): Promise<TurnPrincipal> {
    const token = text.slice(TURN_CREDENTIAL_PREFIX.length);
    if (text.length > MAX_CHARACTERS || !COMPACT_JWS.test(token)) throw Unauthenticated();
    const { payload } = await jwtVerify<TurnCredentialHolder>(token, (header) => this.secretOf(header), {
      algorithms: [ALGORITHM],
      typ: TYPE,
      requiredClaims: ['exp'],
      clockTolerance: LEEWAY_MS / 1_000,
    }).catch(refuse);
    const { project_id, key_id, session_id, turn_id, epoch } = payload;
    const turn = { session_id, turn_id, epoch };
    const principal: TurnPrincipal = { project_id, key_id, kind: 'turn', permissions: [], turn };
    this.remember(text, principal, payload.exp! * 1_000 + LEEWAY_MS - Date.now());
    return principal;
  }

  private async secretOf({ kid }: JWTHeaderParameters) {
    const key = typeof kid === 'string' ? await this.keys.find(kid) : undefined;
    if (!key) throw Unauthenticated();
    return key.secret;
  }

  private remember(text: string, principal: TurnPrincipal, leftMs: number): void {
    if (this.verified.size >= VERIFIED_CREDENTIALS) this.verified.delete(this.verified.keys().next().value!);
    this.verified.set(text, { principal, until: performance.now() + Math.min(leftMs, VERIFIED_FOR_MS) });
  }
}

/** What is wrong with a credential is nobody's business; what is wrong here is not its caller's fault. */
function refuse(error: unknown): never {
  throw error instanceof errors.JOSEError ? Unauthenticated() : error;
}
