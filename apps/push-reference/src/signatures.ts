import { createPublicKey, verify, type JsonWebKey, type KeyObject } from 'node:crypto';

/** How far the clocks may be apart, in seconds. */
const TOLERANCE_SECONDS = 300;

export interface SignedMessage {
  headers: Record<string, string | string[] | undefined>;
  body: Buffer;
}

/** Tells what Holdfast sent from what a stranger did (Standard Webhooks, scheme `v1a`), by the keys that it publishes. */
export class Signatures {
  private keys: Promise<KeyObject[]> | undefined;

  constructor(private readonly apiUrl: string) {}

  async areRight({ headers, body }: SignedMessage): Promise<boolean> {
    const { 'webhook-id': id, 'webhook-timestamp': timestamp, 'webhook-signature': signatures } = headers;
    if (Math.abs(Date.now() / 1000 - Number(timestamp)) > TOLERANCE_SECONDS) return false;
    const signed = Buffer.concat([Buffer.from(`${String(id)}.${String(timestamp)}.`), body]);
    const ed25519 = String(signatures)
      .split(' ')
      .filter((part) => part.startsWith('v1a,'))
      .map((part) => Buffer.from(part.slice('v1a,'.length), 'base64'));
    const keys = await this.publicKeys();
    return ed25519.some((signature) => keys.some((key) => verify(null, signed, key, signature)));
  }

  private publicKeys(): Promise<KeyObject[]> {
    this.keys ??= this.fetchKeys().catch((error: unknown) => {
      this.keys = undefined;
      throw error;
    });
    return this.keys;
  }

  private async fetchKeys(): Promise<KeyObject[]> {
    const response = await fetch(new URL('/v1/stream/__ds/jwks.json', this.apiUrl));
    if (!response.ok) throw new Error(`the keys of the api could not be read: ${response.status}`);
    const { keys } = (await response.json()) as { keys: JsonWebKey[] };
    return keys.map((key) => createPublicKey({ key, format: 'jwk' }));
  }
}
