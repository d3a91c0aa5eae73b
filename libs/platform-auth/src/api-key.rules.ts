import { createHash, randomBytes, timingSafeEqual } from 'node:crypto';
import type { KeyKind } from './principal.js';

/** The prefix finds the key and may be shown; 64 and 256 random bits, in hex so that the parts split at `_`. */
const KEY_TEXT = /^hf_(?:user|runner)_([0-9a-f]{16})_[0-9a-f]{64}$/;

/** A new key: `text` is for its owner only and is never stored. */
export interface MintedKey {
  text: string;
  prefix: string;
  hash: Buffer;
}

export function mintKey(kind: KeyKind): MintedKey {
  const prefix = randomBytes(8).toString('hex');
  const text = `hf_${kind}_${prefix}_${randomBytes(32).toString('hex')}`;
  return { text, prefix, hash: hashOf(text) };
}

/** The prefix of a well-formed key text. */
export function prefixOf(text: string): string | undefined {
  return KEY_TEXT.exec(text)?.[1];
}

/** Whether `hash` is of `text`, in a time that tells nothing about how close it was. */
export function matchesHash(text: string, hash: Buffer): boolean {
  return timingSafeEqual(hashOf(text), hash);
}

/** A plain hash is enough: the secret is random, so there is nothing to guess. */
function hashOf(text: string): Buffer {
  return createHash('sha256').update(text).digest();
}
