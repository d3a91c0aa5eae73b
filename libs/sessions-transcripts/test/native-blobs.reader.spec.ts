import { createHash, randomBytes, randomUUID } from 'node:crypto';
import { Readable } from 'node:stream';
import { BlobNotFound, BlobStoreUnavailable, type BlobRange, type BlobStore } from '@holdfast/platform-blobs';
import { NativeBlobsReader } from '../src/native/native-blobs.reader.js';
import type { ChunkRow } from '../src/native/native-rows.js';

const MIB = 1024 * 1024;
const PIECE = 64 * 1024;
const ORIGIN = { home: '/h', root: '/h/r', cwd: '/h/c' };

const sha256 = (data: Buffer) => createHash('sha256').update(data).digest('hex');

/** Blobs in memory that are given out piece by piece, and how many of their bytes were. */
class CountingStore {
  readonly content = new Map<string, Buffer>();
  given = 0;
  /** Breaks a stream off after so many of its bytes. */
  breaksAfter = Infinity;

  async get(key: string, { start = 0 }: Partial<BlobRange> = {}): Promise<Readable> {
    const data = this.content.get(key.split('/').at(-1)!);
    if (!data) throw BlobNotFound({ key });
    return Readable.from(this.pieces(data.subarray(start)), { highWaterMark: 1 });
  }

  private async *pieces(data: Buffer): AsyncGenerator<Buffer> {
    for (let at = 0; at < data.length; at += PIECE) {
      if (at >= this.breaksAfter) throw BlobStoreUnavailable({ why: 'the connection broke' });
      const piece = data.subarray(at, at + PIECE);
      this.given += piece.length;
      yield piece;
    }
  }
}

let store: CountingStore;
let reader: NativeBlobsReader;

beforeEach(() => {
  store = new CountingStore();
  reader = new NativeBlobsReader(store as unknown as BlobStore);
});

function chunksOf(...sizes: number[]): ChunkRow[] {
  return sizes.map((bytes, index) => {
    const data = randomBytes(bytes);
    const hash = sha256(data);
    store.content.set(hash, data);
    const stretch = { from_line: index + 1, lines: 1, bytes, digest: hash, sha256: hash };
    return { name: 'main.jsonl', mode: 'lines', ...stretch, origin: ORIGIN };
  });
}

const wholeOf = (chunks: ChunkRow[]) => Buffer.concat(chunks.map(({ sha256: hash }) => store.content.get(hash)!));

async function readAll(chunks: ChunkRow[]): Promise<Buffer> {
  const pieces: Buffer[] = [];
  for await (const piece of reader.read(randomUUID(), chunks)) pieces.push(piece);
  return Buffer.concat(pieces);
}

describe('the content of chunks', () => {
  it.each([
    ['small', Array.from({ length: 40 }, (_, index) => index * 1_000 + 1)],
    ['large', [4 * MIB, 4 * MIB + 1, 3 * MIB]],
    ['of every size', [10, 4 * MIB, 1, 128 * 1024, 128 * 1024 + 1, 7, 9, 2 * MIB, 100_000, 100_000]],
  ])('comes whole and in order when they are %s', async (_, sizes) => {
    const chunks = chunksOf(...sizes);
    expect((await readAll(chunks)).equals(wholeOf(chunks))).toBe(true);
  });

  it.each([
    ['large', Array<number>(13).fill(4 * MIB)],
    ['small', Array<number>(500).fill(100_000)],
  ])('N16: is not taken from the store for a reader that stands still, when they are %s', async (_, sizes) => {
    const pieces = reader.read(randomUUID(), chunksOf(...sizes));
    await pieces.next();
    for (let rounds = 0; rounds < 100; rounds++) await new Promise(setImmediate);
    expect(store.given).toBeLessThan(MIB);
    await pieces.return(undefined);
  });

  it('goes on where the store broke off', async () => {
    const chunks = chunksOf(4 * MIB);
    store.breaksAfter = MIB;
    expect((await readAll(chunks)).equals(wholeOf(chunks))).toBe(true);
  });

  it('fails where the store gives nothing at all', async () => {
    store.breaksAfter = 0;
    await expect(readAll(chunksOf(4 * MIB))).rejects.toMatchObject({ code: 'blob_store_unavailable' });
  });

  it.each<[string, (data: Buffer) => Buffer]>([
    ['has another byte at its end', (data) => Buffer.concat([data.subarray(0, -1), Buffer.from([data.at(-1)! ^ 1])])],
    ['has another byte at its beginning', (data) => Buffer.concat([Buffer.from([data[0]! ^ 1]), data.subarray(1)])],
    ['is shorter', (data) => data.subarray(0, -1)],
    ['is longer', (data) => Buffer.concat([data, Buffer.from('x')])],
  ])('N15: never comes whole of one that %s', async (_, damage) => {
    for (const size of [1_000, 4 * MIB]) {
      const [chunk] = chunksOf(size);
      store.content.set(chunk!.sha256, damage(store.content.get(chunk!.sha256)!));
      let bytes = 0;
      const reading = (async () => {
        for await (const piece of reader.read(randomUUID(), [chunk!])) bytes += piece.length;
      })();
      await expect(reading).rejects.toMatchObject({ code: 'conversation_load_failed' });
      expect(bytes).toBeLessThan(size);
    }
  });

  it('N15: is looked at before it is asked for, as far as that is wanted', async () => {
    const chunks = chunksOf(MIB, MIB, MIB);
    store.content.delete(chunks[2]!.sha256);
    await expect(reader.requireContent(randomUUID(), chunks, MIB)).resolves.toBeUndefined();
    await expect(reader.requireContent(randomUUID(), chunks, 2 * MIB + 1)).rejects.toMatchObject({
      code: 'conversation_load_failed',
    });
  });
});
