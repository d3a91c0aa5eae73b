import { BlobKeyInvalid } from './blob.errors.js';

const KEY_BYTES = 512;
const SEGMENT = /^(?!\.{1,2}$)[A-Za-z0-9._=-]{1,200}$/;

/** Throws `blob_key_invalid`, so that no key leads out of a store or means two things to it. */
export function assertBlobKey(key: string): void {
  if (key.length > KEY_BYTES || !key.split('/').every((segment) => SEGMENT.test(segment))) {
    throw BlobKeyInvalid({ key });
  }
}

/** The same for the beginning of keys: `''`, or whole segments with a `/` at the end. */
export function assertBlobPrefix(prefix: string): void {
  if (prefix === '') return;
  if (!prefix.endsWith('/')) throw BlobKeyInvalid({ key: prefix });
  assertBlobKey(prefix.slice(0, -1));
}
