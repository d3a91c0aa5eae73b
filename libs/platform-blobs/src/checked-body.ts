import { createHash } from 'node:crypto';
import { Transform, type Readable } from 'node:stream';
import { BlobChecksumMismatch, BlobCorrupt, BlobTooLarge } from './blob.errors.js';
import type { BlobFacts } from './blob-store.js';

/** What one put may hold in memory. */
export const MAX_BLOB_BYTES = 64 * 1024 * 1024;

/** The whole body, once it is what the facts say; throws `blob_checksum_mismatch` or `blob_too_large`. */
export async function readChecked(key: string, body: Buffer | Readable, facts: BlobFacts): Promise<Buffer> {
  if (facts.bytes > MAX_BLOB_BYTES) throw BlobTooLarge({ key, limit: MAX_BLOB_BYTES });
  const content = Buffer.isBuffer(body) ? body : await collect(key, body, facts.bytes);
  if (content.length !== facts.bytes) {
    throw BlobChecksumMismatch({ key, why: `${content.length} bytes came instead of ${facts.bytes}` });
  }
  if (createHash('sha256').update(content).digest('hex') !== facts.sha256) {
    throw BlobChecksumMismatch({ key, why: 'its SHA-256 is another' });
  }
  return content;
}

async function collect(key: string, body: Readable, expected: number): Promise<Buffer> {
  const parts: Buffer[] = [];
  let bytes = 0;
  for await (const part of body as AsyncIterable<Buffer>) {
    bytes += part.length;
    if (bytes > expected) throw BlobChecksumMismatch({ key, why: `more than ${expected} bytes came` });
    parts.push(part);
  }
  return Buffer.concat(parts, bytes);
}

/** Passes a stored blob on and fails with `blob_corrupt` at its end when it is not what the facts say. */
export function checkStored(key: string, facts: { bytes: number; sha256?: string }): Transform {
  const hash = createHash('sha256');
  let bytes = 0;
  return new Transform({
    transform(part: Buffer, _encoding, done) {
      bytes += part.length;
      if (facts.sha256 !== undefined) hash.update(part);
      done(null, part);
    },
    flush(done) {
      if (bytes !== facts.bytes) {
        done(BlobCorrupt({ key, why: `${bytes} of its ${facts.bytes} bytes are there` }));
      } else if (facts.sha256 !== undefined && hash.digest('hex') !== facts.sha256) {
        done(BlobCorrupt({ key, why: 'its SHA-256 is another' }));
      } else done();
    },
  });
}
