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
import { UnitOfWork } from '@holdfast/platform-postgres';

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

/** The key by which receivers know that a webhook is ours: one for the installation, made when it is first needed. */
@Injectable()
export class SigningKeys {
  private key: Promise<SigningKey> | undefined;

  constructor(private readonly unitOfWork: UnitOfWork) {}

  async jwk(): Promise<SigningJwk> {
    return (await this.current()).jwk;
  }

  async tokenSecret(): Promise<Buffer> {
    return (await this.current()).tokenSecret;
  }

  /** The header `Webhook-Signature` of a body that is sent now (Durable Streams, section 7.1). */
  async signatureOf(body: Buffer): Promise<string> {
    const { jwk, privateKey } = await this.current();
    const timestamp = Math.floor(Date.now() / 1000);
    const signature = sign(null, Buffer.concat([Buffer.from(`${timestamp}.`), body]), privateKey);
    return `t=${timestamp},kid=${jwk.kid},ed25519=${signature.toString('base64url')}`;
  }

  private current(): Promise<SigningKey> {
    this.key ??= this.loadOrMake().catch((error: unknown) => {
      this.key = undefined;
      throw error;
    });
    return this.key;
  }

  private async loadOrMake(): Promise<SigningKey> {
    return (await this.load()) ?? (await this.make());
  }

  private async load(): Promise<SigningKey | undefined> {
    const row = await this.unitOfWork.queryOne<{ private_key: Buffer }>(SELECT_KEY);
    return row && signingKeyOf(row.private_key);
  }

  private make(): Promise<SigningKey> {
    return this.unitOfWork.run(async (tx) => {
      await tx.query(`SELECT pg_advisory_xact_lock($1)`, [KEY_LOCK]);
      const made = await tx.queryOne<{ private_key: Buffer }>(SELECT_KEY);
      if (made) return signingKeyOf(made.private_key);
      const der = generateKeyPairSync('ed25519').privateKey.export({ format: 'der', type: 'pkcs8' });
      const key = signingKeyOf(der);
      await tx.query(`INSERT INTO log_signing_keys (kid, private_key) VALUES ($1, $2)`, [key.jwk.kid, der]);
      return key;
    });
  }
}

const SELECT_KEY = `SELECT private_key FROM log_signing_keys ORDER BY created_at DESC, kid LIMIT 1`;

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
