import { createHash } from 'node:crypto';
import type { CanonicalDigest } from './canonical-digest.js';
import { NativeFileChanged } from './native-errors.js';
import { CHUNK_BYTES, type NativeChunk } from './native-mark.js';

const NEWLINE = Buffer.from('\n');

/** Where a file of lines was read up to. */
export interface LinesPosition {
  /** Lines before it. */
  lines: number;
  /** Over these lines. */
  digest: CanonicalDigest;
}

/** Lines as chunks that end with "\n"; moves the position along. */
export async function* lineChunks(
  batches: AsyncIterable<Buffer[]> | Iterable<Buffer[]>,
  position: LinesPosition,
): AsyncGenerator<NativeChunk> {
  let gathered: Buffer[] = [];
  let bytes = 0;
  const chunk = (): NativeChunk => {
    const lines = gathered.length / 2;
    const data = Buffer.concat(gathered);
    gathered = [];
    bytes = 0;
    return { from_line: position.lines - lines + 1, lines, digest: position.digest.hex(), data };
  };
  for await (const lines of batches) {
    for (const line of lines) {
      if (bytes && bytes + line.length + 1 > CHUNK_BYTES) yield chunk();
      gathered.push(line, NEWLINE);
      bytes += line.length + 1;
      position.digest.addLine(line);
      position.lines++;
    }
  }
  if (bytes) yield chunk();
}

/**
 * A whole file as pieces of at most CHUNK_BYTES. The digest of a single piece is canonical, that of several is of their
 * raw bytes, cumulative. Throws NativeFileChanged where the source has not `bytes` bytes.
 */
export async function* wholeChunks(
  source: AsyncIterable<Buffer> | Iterable<Buffer>,
  bytes: number,
  canonical: (content: Buffer) => Buffer,
): AsyncGenerator<NativeChunk> {
  const hash = createHash('sha256');
  const isSingle = bytes <= CHUNK_BYTES;
  let seen = 0;
  let piece = 0;
  for await (const data of pieces(source)) {
    seen += data.length;
    hash.update(isSingle ? canonical(data) : data);
    piece++;
    yield { from_line: piece, lines: 1, digest: hash.copy().digest('hex'), data };
  }
  if (seen !== bytes) throw new NativeFileChanged(`The file had ${bytes} bytes, and ${seen} when it was read.`);
}

async function* pieces(source: AsyncIterable<Buffer> | Iterable<Buffer>): AsyncGenerator<Buffer> {
  let gathered: Buffer[] = [];
  let room = CHUNK_BYTES;
  for await (let block of source) {
    while (block.length >= room) {
      yield Buffer.concat([...gathered, block.subarray(0, room)]);
      block = block.subarray(room);
      gathered = [];
      room = CHUNK_BYTES;
    }
    gathered.push(block);
    room -= block.length;
  }
  if (room < CHUNK_BYTES) yield Buffer.concat(gathered);
}
