import { createCipheriv, createDecipheriv, createHash, hkdfSync, randomBytes } from 'node:crypto';
import { pipeline, Transform, type Readable } from 'node:stream';
import type { OnApplicationShutdown } from '@nestjs/common';
import { BlobCorrupt, BlobRangeInvalid } from './blob.errors.js';
import { BlobStore, type BlobEntry, type BlobFacts, type BlobRange } from './blob-store.js';
import { readChecked } from './checked-body.js';

// An encrypted blob is a header (magic, key id, salt) and segments of 64 KiB, each with a tag of its own, so that a
// reader never gets a byte that was not authenticated, and a range costs only its segments. The blob's own key is
// HKDF-SHA-256 of the installation's key with the salt. A segment's nonce is its number and whether it is the last one
// (the STREAM construction: none can be dropped, moved or cut off); its additional data are header and blob key.
const MAGIC = Buffer.from('HFENC1\0\0');
const KEY_ID_BYTES = 8;
const SALT_BYTES = 32;
const HEADER_BYTES = MAGIC.length + KEY_ID_BYTES + SALT_BYTES;
const SEGMENT_BYTES = 64 * 1024;
const TAG_BYTES = 16;
const STORED_SEGMENT_BYTES = SEGMENT_BYTES + TAG_BYTES;

/** Keeps the content of blobs from whoever can read the store below it. Names and sizes stay visible. */
export class EncryptedBlobStore extends BlobStore implements OnApplicationShutdown {
  private readonly ring: Map<string, Buffer>;
  private readonly first: { id: Buffer; key: Buffer };

  /** `keys` have 32 bytes each: the first encrypts, all decrypt. */
  constructor(
    private readonly inner: BlobStore & Partial<OnApplicationShutdown>,
    keys: readonly [Buffer, ...Buffer[]],
  ) {
    super();
    this.ring = new Map(keys.map((key) => [keyId(key).toString('hex'), key]));
    this.first = { id: keyId(keys[0]), key: keys[0] };
  }

  async put(key: string, body: Buffer | Readable, facts: BlobFacts): Promise<void> {
    const content = await readChecked(key, body, facts);
    const header = Buffer.concat([MAGIC, this.first.id, randomBytes(SALT_BYTES)]);
    const seal = new Segments(key, header, this.first.key);
    const segments = segmentsOf(content.length);
    const parts: Buffer[] = [header];
    for (let at = 0; at < segments; at++) {
      const piece = content.subarray(at * SEGMENT_BYTES, (at + 1) * SEGMENT_BYTES);
      parts.push(seal.encrypt(piece, at, at === segments - 1));
    }
    const stored = Buffer.concat(parts);
    const sha256 = createHash('sha256').update(stored).digest('hex');
    await this.inner.put(key, stored, { bytes: stored.length, sha256 });
  }

  async get(key: string, range?: BlobRange): Promise<Readable> {
    if (range) return this.getRange(key, range);
    const stored = await this.inner.get(key);
    return pipeline(stored, this.decryption(key), () => undefined);
  }

  async head(key: string): Promise<{ bytes: number } | undefined> {
    const stored = await this.inner.head(key);
    return stored && { bytes: plainBytes(key, stored.bytes) };
  }

  async delete(key: string): Promise<void> {
    await this.inner.delete(key);
  }

  async *list(prefix: string): AsyncIterable<BlobEntry> {
    for await (const entry of this.inner.list(prefix)) {
      yield { ...entry, bytes: Math.max(0, contentBytes(entry.bytes)) };
    }
  }

  async check(): Promise<void> {
    await this.inner.check();
  }

  async onApplicationShutdown(signal?: string): Promise<void> {
    await this.inner.onApplicationShutdown?.(signal);
  }

  private async getRange(key: string, { start, end }: BlobRange): Promise<Readable> {
    const header = await readAll(await this.inner.get(key, { start: 0, end: HEADER_BYTES - 1 }));
    const bytes = (await this.head(key))?.bytes ?? 0;
    if (start < 0 || start >= bytes || end < start) throw BlobRangeInvalid({ key, bytes });
    const last = Math.min(end, bytes - 1);
    const segments = { first: Math.floor(start / SEGMENT_BYTES), last: Math.floor(last / SEGMENT_BYTES) };
    const decryption = this.decryption(key, {
      header,
      from: segments.first,
      total: segmentsOf(bytes),
      skip: start - segments.first * SEGMENT_BYTES,
      take: last - start + 1,
    });
    const stored = await this.inner.get(key, {
      start: HEADER_BYTES + segments.first * STORED_SEGMENT_BYTES,
      end: HEADER_BYTES + (segments.last + 1) * STORED_SEGMENT_BYTES - 1,
    });
    return pipeline(stored, decryption, () => undefined);
  }

  /** Gives out the content segment by segment, each once its tag was right. */
  private decryption(key: string, part?: { header: Buffer; from: number; total: number; skip: number; take: number }) {
    let waiting: Buffer = Buffer.alloc(0);
    let segments = part && this.open(key, part.header);
    let at = part?.from ?? 0;
    let skip = part?.skip ?? 0;
    let left = part?.take ?? Infinity;
    const lastOf = (isEnd: boolean) => (part ? at === part.total - 1 : isEnd);

    const take = (out: Transform, stored: Buffer, isEnd: boolean) => {
      const content = segments!.decrypt(stored, at, lastOf(isEnd));
      const wanted = content.subarray(skip, skip + left);
      at += 1;
      skip = 0;
      left -= wanted.length;
      out.push(wanted);
    };
    const give = (out: Transform, isEnd: boolean) => {
      if (!segments) {
        if (waiting.length < HEADER_BYTES && !isEnd) return;
        segments = this.open(key, waiting.subarray(0, HEADER_BYTES));
        waiting = waiting.subarray(HEADER_BYTES);
      }
      // The last segment is known as such only at the end, so one is always held back.
      while (waiting.length > STORED_SEGMENT_BYTES) {
        take(out, waiting.subarray(0, STORED_SEGMENT_BYTES), false);
        waiting = waiting.subarray(STORED_SEGMENT_BYTES);
      }
      if (isEnd) take(out, waiting, true);
    };
    const step = (out: Transform, isEnd: boolean, done: (error?: Error) => void) => {
      try {
        give(out, isEnd);
        done();
      } catch (error) {
        done(error as Error);
      }
    };
    return new Transform({
      transform(piece: Buffer, _encoding, done) {
        waiting = waiting.length ? Buffer.concat([waiting, piece]) : piece;
        step(this, false, done);
      },
      flush(done) {
        step(this, true, done);
      },
    });
  }

  private open(key: string, header: Buffer): Segments {
    if (header.length < HEADER_BYTES || !header.subarray(0, MAGIC.length).equals(MAGIC)) {
      throw BlobCorrupt({ key, why: 'it is not encrypted, though this store keeps only what is' });
    }
    const id = header.toString('hex', MAGIC.length, MAGIC.length + KEY_ID_BYTES);
    const own = this.ring.get(id);
    if (!own) throw BlobCorrupt({ key, why: `it is encrypted with the key ${id}, which is not configured` });
    return new Segments(key, header, own);
  }
}

/** One blob's cipher. */
class Segments {
  private readonly cipherKey: Buffer;
  private readonly additional: Buffer;

  constructor(
    private readonly blobKey: string,
    header: Buffer,
    installationKey: Buffer,
  ) {
    const salt = header.subarray(MAGIC.length + KEY_ID_BYTES);
    this.cipherKey = Buffer.from(hkdfSync('sha256', installationKey, salt, 'holdfast blob', 32));
    this.additional = Buffer.concat([header, Buffer.from(blobKey)]);
  }

  encrypt(content: Buffer, at: number, isLast: boolean): Buffer {
    const cipher = createCipheriv('aes-256-gcm', this.cipherKey, nonce(at, isLast)).setAAD(this.additional);
    const sealed = cipher.update(content);
    cipher.final();
    return Buffer.concat([sealed, cipher.getAuthTag()]);
  }

  /** Throws `blob_corrupt` unless this is exactly that segment of that blob. */
  decrypt(stored: Buffer, at: number, isLast: boolean): Buffer {
    if (stored.length < TAG_BYTES) throw BlobCorrupt({ key: this.blobKey, why: 'its end is missing' });
    const tag = stored.subarray(stored.length - TAG_BYTES);
    const cipher = createDecipheriv('aes-256-gcm', this.cipherKey, nonce(at, isLast), { authTagLength: TAG_BYTES });
    cipher.setAAD(this.additional).setAuthTag(tag);
    try {
      const content = cipher.update(stored.subarray(0, stored.length - TAG_BYTES));
      cipher.final();
      return content;
    } catch (cause) {
      throw BlobCorrupt({ key: this.blobKey, why: 'it cannot be decrypted' }, { cause });
    }
  }
}

function nonce(at: number, isLast: boolean): Buffer {
  const bytes = Buffer.alloc(12);
  bytes.writeUInt32BE(at, 7);
  bytes[11] = isLast ? 1 : 0;
  return bytes;
}

/** Tells keys apart without telling what they are. */
function keyId(key: Buffer): Buffer {
  return Buffer.from(hkdfSync('sha256', key, Buffer.alloc(0), 'holdfast blob key id', KEY_ID_BYTES));
}

/** An empty blob has one (empty) segment, so that its end is authenticated as well. */
function segmentsOf(bytes: number): number {
  return Math.max(1, Math.ceil(bytes / SEGMENT_BYTES));
}

function contentBytes(stored: number): number {
  const body = stored - HEADER_BYTES;
  return body - TAG_BYTES * Math.max(1, Math.ceil(body / STORED_SEGMENT_BYTES));
}

function plainBytes(key: string, stored: number): number {
  const bytes = contentBytes(stored);
  if (bytes < 0) throw BlobCorrupt({ key, why: 'it is shorter than an encrypted blob' });
  return bytes;
}

async function readAll(stream: Readable): Promise<Buffer> {
  const parts: Buffer[] = [];
  for await (const part of stream as AsyncIterable<Buffer>) parts.push(part);
  return Buffer.concat(parts);
}
