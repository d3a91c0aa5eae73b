import type { Readable } from 'node:stream';

/** What a blob is, known before its first byte is sent. */
export interface BlobFacts {
  bytes: number;
  /** Lower-case hex. */
  sha256: string;
}

/** Bytes of a blob, counted from 0; `end` is the last one, as in an HTTP range, and may lie past the blob's end. */
export interface BlobRange {
  start: number;
  end: number;
}

export interface BlobEntry {
  key: string;
  /** Of what was put, whatever the store adds to it. */
  bytes: number;
  modified_at: Date;
}

/**
 * Byte strings of at most 64 MiB under keys like `projects/{id}/native/{sha256}`.
 *
 * A key has at most 512 bytes: segments of 1 to 200 `A-Za-z0-9._=-`, none of them `.` or `..`, joined by `/`. Any other
 * throws `blob_key_invalid`. A store that does not answer throws `blob_store_unavailable`, one without room
 * `blob_store_full`.
 */
export abstract class BlobStore {
  /**
   * Durable when resolved; until then readers see what was there before. A body that is not what `facts` say throws
   * `blob_checksum_mismatch`, one over the limit `blob_too_large`; nothing is stored then. Putting the same again is fine.
   */
  abstract put(key: string, body: Buffer | Readable, facts: BlobFacts): Promise<void>;

  /**
   * Throws `blob_not_found`, and `blob_range_invalid` for a range that begins past the end. What is there but is not what
   * was put throws `blob_corrupt`, from this call or, where only the last byte tells, as the stream's error: what was
   * read counts only once the stream has ended. A range is checked by its length and, when encrypted, as a whole blob is.
   */
  abstract get(key: string, range?: BlobRange): Promise<Readable>;

  abstract head(key: string): Promise<{ bytes: number } | undefined>;

  /** A blob that is not there is deleted. */
  abstract delete(key: string): Promise<void>;

  /** In no promised order. `prefix` is `''` for all, or whole segments with a `/` at the end. */
  abstract list(prefix: string): AsyncIterable<BlobEntry>;

  /** Throws when the store cannot be used now. */
  abstract check(): Promise<void>;
}
