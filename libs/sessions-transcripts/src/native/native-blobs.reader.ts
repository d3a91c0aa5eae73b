import { createHash } from 'node:crypto';
import { Injectable } from '@nestjs/common';
import { BlobStore } from '@holdfast/platform-blobs';
import { isDomainError } from '@holdfast/platform-errors';
import { nativeBlobKey } from './native-blob-key.js';
import type { ChunkRow } from './native-rows.js';
import { ConversationLoadFailed } from './native-transcripts.errors.js';

/** A chunk that is held as a whole; a larger one goes through piece by piece, as the store gives it. */
const SMALL_BYTES = 128 * 1024;
/**
 * What is read ahead of a download: saves every few seconds make thousands of small chunks, which one after the other
 * would come as slowly as a store answers.
 */
const AHEAD_BYTES = 512 * 1024;
const AHEAD_CHUNKS = 8;

/** Up to how many blobs a store is asked for before a download begins. */
const MAX_LOOKED_FOR = 1_000;
const LOOKED_FOR_AT_ONCE = 16;

/** Reads the blobs of chunks. The end of each is given away only when all of it is what was saved. */
@Injectable()
export class NativeBlobsReader {
  constructor(private readonly blobs: BlobStore) {}

  /** Errors: conversation_load_failed when one of the first thousand blobs is not there. */
  async requireBlobs(project_id: string, chunks: ChunkRow[]): Promise<void> {
    const hashes = [...new Map(chunks.map((chunk) => [chunk.sha256, chunk])).values()].slice(0, MAX_LOOKED_FOR);
    const left = hashes.values();
    const look = async () => {
      for (const chunk of left) {
        const found = await this.blobs.head(nativeBlobKey(project_id, chunk.sha256));
        if (found?.bytes !== chunk.bytes) throw lost(chunk, found ? 'has another size' : 'is missing');
      }
    };
    await Promise.all(Array.from({ length: LOOKED_FOR_AT_ONCE }, look));
  }

  /** Errors: conversation_load_failed when one of the chunks that the first `bytes` lie in is not what was saved. */
  async requireContent(project_id: string, chunks: ChunkRow[], bytes: number): Promise<void> {
    let left = bytes;
    const first = chunks.filter((chunk) => {
      const isAmong = left > 0;
      left -= chunk.bytes;
      return isAmong;
    });
    const pieces = this.read(project_id, first);
    while (!(await pieces.next()).done);
  }

  /** The content of chunks in their order. Errors: conversation_load_failed. */
  async *read(project_id: string, chunks: ChunkRow[]): AsyncGenerator<Buffer> {
    const ahead: Promise<Buffer>[] = [];
    let aheadBytes = 0;
    let begun = 0;
    const isNextSmall = () => begun < chunks.length && chunks[begun]!.bytes <= SMALL_BYTES;
    for (const [index, chunk] of chunks.entries()) {
      begun = Math.max(begun, index);
      while (isNextSmall() && ahead.length < AHEAD_CHUNKS && aheadBytes + chunks[begun]!.bytes <= AHEAD_BYTES) {
        const reading = this.whole(project_id, chunks[begun]!);
        // It is awaited in its turn; until then its failure is nobody's.
        reading.catch(() => undefined);
        ahead.push(reading);
        aheadBytes += chunks[begun]!.bytes;
        begun += 1;
      }
      if (index === begun) {
        yield* this.pieces(project_id, chunk);
        continue;
      }
      const data = await ahead.shift()!;
      aheadBytes -= chunk.bytes;
      yield data;
    }
  }

  private async whole(project_id: string, chunk: ChunkRow): Promise<Buffer> {
    const pieces: Buffer[] = [];
    for await (const piece of this.pieces(project_id, chunk)) pieces.push(piece);
    return pieces.length === 1 ? pieces[0]! : Buffer.concat(pieces);
  }

  /** Whoever reads may stand still for longer than a store waits: what it broke off is asked for again, from there on. */
  private async *pieces(project_id: string, chunk: ChunkRow): AsyncGenerator<Buffer> {
    const hash = createHash('sha256');
    let bytes = 0;
    let last: Buffer | undefined;
    for (let isEnd = false; !isEnd;) {
      const from = bytes;
      try {
        for await (const piece of await this.open(project_id, chunk, from)) {
          bytes += (piece as Buffer).length;
          if (bytes > chunk.bytes) throw lost(chunk, 'has another size');
          hash.update(piece as Buffer);
          if (last) yield last;
          last = piece as Buffer;
        }
        isEnd = true;
      } catch (error) {
        if (!isDomainError(error, 'blob_store_unavailable') || bytes === from) throw named(chunk, error);
        isEnd = bytes === chunk.bytes;
      }
    }
    if (hash.digest('hex') !== chunk.sha256) throw lost(chunk, 'is damaged');
    if (last) yield last;
  }

  private open(project_id: string, { sha256, bytes }: ChunkRow, start: number) {
    const key = nativeBlobKey(project_id, sha256);
    return start === 0 ? this.blobs.get(key) : this.blobs.get(key, { start, end: bytes - 1 });
  }
}

/** What the store says of a blob, as what it means for the conversation. */
function named(chunk: ChunkRow, error: unknown): unknown {
  if (isDomainError(error, 'blob_not_found')) return lost(chunk, 'is missing', error);
  if (isDomainError(error, 'blob_corrupt') || isDomainError(error, 'blob_range_invalid')) {
    return lost(chunk, 'is damaged', error);
  }
  return error;
}

function lost({ name, from_line }: ChunkRow, what: string, cause?: unknown) {
  const reason = `What was saved of "${name}" from line ${from_line} on ${what} in the blob store. Ask for an earlier version, or save the conversation anew.`;
  return ConversationLoadFailed({ reason }, { cause });
}
