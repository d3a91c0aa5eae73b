import {
  createHash,
  createPrivateKey,
  createPublicKey,
  generateKeyPairSync,
  hkdfSync,
  sign,
  type KeyObject,
} from 'node:crypto';
import { Injectable } from '@nestjs/common';
import { UnitOfWork, type Transaction } from '@holdfast/platform-postgres';

/** A public key of the JWK Set (RFC 7517, RFC 8037). */
export interface SigningJwk {
  kty: 'OKP';
  crv: 'Ed25519';
  kid: string;
  use: 'sig';
  alg: 'EdDSA';
  x: string;
}

interface SigningKey {
  jwk: SigningJwk;
  privateKey: KeyObject;
  /** Another key, for the tokens of wakes; it never leaves the servers. */
  tokenSecret: Buffer;
}

/** Any number: it only has to be the same for everybody who makes the key of this database. */
const KEY_LOCK = 5_170_233;

/** How long a new key is published before it signs: receivers keep the set for five minutes. */
export const ANNOUNCED_S = 600;

/** How long a key is published, and what it signed counts, after the next one was made. */
export const RETIRED_AFTER_S = 86_400;

/** How long a process goes on with the keys that it has seen. */
const RELOAD_MS = 60_000;

interface StoredKey {
  private_key: Buffer;
  /** Seconds since it was made. */
  age: number;
}

/**
 * The keys by which receivers know that a webhook is ours. The installation has one, made when it is first needed, and
 * two for a while after `rotate`.
 */
@Injectable()
export class SigningKeys {
  private ring: { keys: Promise<KeyRing>; loadedAt: number } | undefined;

  constructor(private readonly unitOfWork: UnitOfWork) {}

  /** The key that signs. */
  async jwk(): Promise<SigningJwk> {
    return (await this.current()).signing.jwk;
  }

  /** All that receivers should know: the next, the one that signs, and those that did. */
  async published(): Promise<SigningJwk[]> {
    return (await this.current()).published.map(({ jwk }) => jwk);
  }

  async tokenSecret(): Promise<Buffer> {
    return (await this.current()).signing.tokenSecret;
  }

  /** Of all keys by which a token may have been made that counts still. */
  async tokenSecrets(): Promise<Buffer[]> {
    return (await this.current()).published.map(({ tokenSecret }) => tokenSecret);
  }

  /** The header `Webhook-Signature` of a body that is sent now (Durable Streams, section 7.1). */
  async signatureOf(body: Buffer): Promise<string> {
    const { jwk, privateKey } = (await this.current()).signing;
    const timestamp = Math.floor(Date.now() / 1000);
    const signature = sign(null, Buffer.concat([Buffer.from(`${timestamp}.`), body]), privateKey);
    return `t=${timestamp},kid=${jwk.kid},ed25519=${signature.toString('base64url')}`;
  }

  /** The Ed25519 signature of some bytes. */
  async sign(data: Buffer): Promise<Buffer> {
    return sign(null, data, (await this.current()).signing.privateKey);
  }

  /** Makes the next key. All processes publish it within a minute; it signs after ten. Removes those that nobody needs. */
  async rotate(): Promise<SigningJwk> {
    await this.current();
    this.ring = undefined;
    return this.unitOfWork.run(async (tx) => {
      await tx.query(`SELECT pg_advisory_xact_lock($1)`, [KEY_LOCK]);
      const { published } = ringOf(await tx.query<StoredKey>(SELECT_KEYS));
      await tx.query(`DELETE FROM log_signing_keys WHERE kid <> ALL($1::text[])`, [
        published.map(({ jwk }) => jwk.kid),
      ]);
      return (await make(tx)).jwk;
    });
  }

  private current(): Promise<KeyRing> {
    if (this.ring && Date.now() - this.ring.loadedAt < RELOAD_MS) return this.ring.keys;
    const keys = this.loadOrMake();
    const ring = { keys, loadedAt: Date.now() };
    this.ring = ring;
    keys.catch(() => {
      if (this.ring === ring) this.ring = undefined;
    });
    return keys;
  }

  private async loadOrMake(): Promise<KeyRing> {
    const stored = await this.unitOfWork.query<StoredKey>(SELECT_KEYS);
    if (stored.length) return ringOf(stored);
    return this.unitOfWork.run(async (tx) => {
      await tx.query(`SELECT pg_advisory_xact_lock($1)`, [KEY_LOCK]);
      if (!(await tx.query<StoredKey>(SELECT_KEYS)).length) await make(tx);
      return ringOf(await tx.query<StoredKey>(SELECT_KEYS));
    });
  }
}

/** Newest first. */
const SELECT_KEYS = `
  SELECT private_key, extract(epoch FROM clock_timestamp() - created_at)::float8 AS age
    FROM log_signing_keys ORDER BY created_at DESC, kid`;

async function make(tx: Transaction): Promise<SigningKey> {
  const der = generateKeyPairSync('ed25519').privateKey.export({ format: 'der', type: 'pkcs8' });
  const key = signingKeyOf(der);
  await tx.query(`INSERT INTO log_signing_keys (kid, private_key) VALUES ($1, $2)`, [key.jwk.kid, der]);
  return key;
}

interface KeyRing {
  signing: SigningKey;
  published: SigningKey[];
}

/** Of keys, newest first: the newest signs that was published for long enough, and the first one from the beginning. */
function ringOf(stored: StoredKey[]): KeyRing {
  const signing = stored.find(({ age }) => age >= ANNOUNCED_S) ?? stored.at(-1)!;
  const published = stored.filter((_, index) => index === 0 || stored[index - 1]!.age < RETIRED_AFTER_S);
  return {
    signing: signingKeyOf(signing.private_key),
    published: published.map(({ private_key }) => signingKeyOf(private_key)),
  };
}

function signingKeyOf(der: Buffer): SigningKey {
  const privateKey = createPrivateKey({ key: der, format: 'der', type: 'pkcs8' });
  const { x } = createPublicKey(privateKey).export({ format: 'jwk' }) as { x: string };
  return {
    jwk: { kty: 'OKP', crv: 'Ed25519', kid: `ds_${thumbprint(x)}`, use: 'sig', alg: 'EdDSA', x },
    privateKey,
    tokenSecret: Buffer.from(hkdfSync('sha256', der, '', 'holdfast wake tokens', 32)),
  };
}

/** RFC 7638: the required members in the order of their names, without white space. */
function thumbprint(x: string): string {
  return createHash('sha256')
    .update(JSON.stringify({ crv: 'Ed25519', kty: 'OKP', x }))
    .digest('base64url');
}
