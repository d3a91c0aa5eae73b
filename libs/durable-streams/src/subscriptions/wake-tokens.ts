import { createHmac, timingSafeEqual } from 'node:crypto';
import { Injectable } from '@nestjs/common';
import { SigningKeys } from './signing-keys.js';
import { WakeTokenInvalid } from './subscriptions.errors.js';

/** What a token is good for: one wake of one subscription. */
export interface WakeToken {
  project_id: string;
  /** The subscription's number. */
  subscription: number;
  generation: number;
}

const TOKEN = /^([A-Za-z0-9_-]{1,256})\.([A-Za-z0-9_-]{43})$/;

/**
 * Tokens of wakes and claims: what they are good for, under a keyed hash (Durable Streams, section 12.9). None is stored,
 * so the same wake has the same token whoever sends it and however often, and one that is over is still told from one
 * that never was. Whether its wake is the present one is for the subscription's row to say.
 */
@Injectable()
export class WakeTokens {
  constructor(private readonly keys: SigningKeys) {}

  async issue({ project_id, subscription, generation }: WakeToken): Promise<string> {
    const claims = Buffer.from(JSON.stringify([project_id, subscription, generation])).toString('base64url');
    return `${claims}.${sealOf(claims, await this.keys.tokenSecret()).toString('base64url')}`;
  }

  /** Errors: wake_token_invalid. */
  async verify(token: string): Promise<WakeToken> {
    const [, claims, seal] = TOKEN.exec(token) ?? [];
    if (!claims) throw WakeTokenInvalid();
    const given = Buffer.from(seal!, 'base64url');
    const secrets = await this.keys.tokenSecrets();
    if (!secrets.some((secret) => timingSafeEqual(given, sealOf(claims, secret)))) throw WakeTokenInvalid();
    const [project_id, subscription, generation] = JSON.parse(Buffer.from(claims, 'base64url').toString()) as [
      string,
      number,
      number,
    ];
    return { project_id, subscription, generation };
  }
}

const sealOf = (claims: string, secret: Buffer): Buffer => createHmac('sha256', secret).update(claims).digest();
