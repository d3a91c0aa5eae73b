import { randomBytes } from 'node:crypto';
import { Readable } from 'node:stream';
import { BlobStore } from '../src/index.js';
import { contentOf, factsOf } from './blob-content.js';
import { availableStores, type StoreUnderTest } from './blob-stores.js';

const KEY = 'projects/0a1b/native/c0ffee';
const SIZES = [0, 1, 4_000, 65_535, 65_536, 65_537, 200_000, 4 * 1024 * 1024 + 1];

describe.each(availableStores)('blobs in $name', ({ open }) => {
  let place: StoreUnderTest;
  let store: BlobStore;

  beforeAll(async () => {
    place = await open();
    store = place.store;
  });
  afterAll(() => place.close());
  afterEach(async () => {
    for await (const { key } of store.list('')) await store.delete(key);
  });

  it.each(SIZES)('1: %i bytes come back as they were put, from a buffer and from a stream', async (bytes) => {
    const content = randomBytes(bytes);
    await store.put('from/buffer', content, factsOf(content));
    await store.put('from/stream', Readable.from(pieces(content)), factsOf(content));
    for (const key of ['from/buffer', 'from/stream']) {
      expect((await contentOf(store.get(key))).equals(content)).toBe(true);
      expect(await store.head(key)).toEqual({ bytes });
    }
  });

  it('1: another process finds what one has put', async () => {
    const content = Buffer.from('kept');
    await store.put(KEY, content, factsOf(content));
    expect(await contentOf((await place.reopen()).get(KEY))).toEqual(content);
  });

  it('1: a range gives those bytes, its end included, and stops at the end of the blob', async () => {
    const content = randomBytes(300_000);
    await store.put(KEY, content, factsOf(content));
    const ranges: [number, number][] = [
      [0, 0],
      [0, 299_999],
      [65_535, 65_536],
      [65_536, 131_071],
      [131_072, 131_072],
      [1, 262_143],
      [299_999, 299_999],
      [250_000, 1_000_000],
    ];
    for (const [start, end] of ranges) {
      const part = await contentOf(store.get(KEY, { start, end }));
      expect(part.equals(content.subarray(start, end + 1))).toBe(true);
    }
  });

  it('1: a range that does not begin in the blob is refused', async () => {
    await store.put(KEY, Buffer.from('short'), factsOf(Buffer.from('short')));
    for (const range of [
      { start: 5, end: 9 },
      { start: -1, end: 2 },
      { start: 3, end: 2 },
    ]) {
      await expect(store.get(KEY, range)).rejects.toMatchObject({ code: 'blob_range_invalid' });
    }
    await expect(store.get('absent', { start: 0, end: 1 })).rejects.toMatchObject({ code: 'blob_not_found' });
  });

  it('2: a body that is not what was said is refused, and what was there stays', async () => {
    const kept = Buffer.from('what was there');
    await store.put(KEY, kept, factsOf(kept));
    const before = await place.stored();
    const said = factsOf(Buffer.from('what was said'));
    for (const body of ['what was sent', 'shorter', 'what was said and more']) {
      for (const form of [Buffer.from(body), Readable.from([Buffer.from(body)])]) {
        await expect(store.put(KEY, form, said)).rejects.toMatchObject({ code: 'blob_checksum_mismatch' });
      }
    }
    expect(await place.stored()).toEqual(before);
    expect(await contentOf(store.get(KEY))).toEqual(kept);
  });

  it('2: a body that breaks off leaves nothing behind', async () => {
    const before = await place.stored();
    const broken = Readable.from(
      (function* () {
        yield Buffer.from('a beginning');
        throw new Error('the sender is gone');
      })(),
    );
    await expect(store.put(KEY, broken, factsOf(Buffer.from('a beginning and an end')))).rejects.toThrow(
      'the sender is gone',
    );
    expect(await place.stored()).toEqual(before);
  });

  it('2: more than 64 MiB are refused before they are read', async () => {
    const endless = new Readable({ read: () => expect(undefined).toBe('never read') });
    const facts = { bytes: 64 * 1024 * 1024 + 1, sha256: '0'.repeat(64) };
    await expect(store.put(KEY, endless, facts)).rejects.toMatchObject({
      code: 'blob_too_large',
      members: { limit_bytes: 67_108_864 },
    });
  });

  it('2: many puts of one key at once leave one of them, whole', async () => {
    const contents = Array.from({ length: 8 }, (_, at) => Buffer.alloc(100_000, at));
    await Promise.all(contents.map((content) => store.put(KEY, content, factsOf(content))));
    const winner = await contentOf(store.get(KEY));
    expect(contents.some((content) => content.equals(winner))).toBe(true);
    expect(await keys(store, '')).toEqual([KEY]);
  });

  it('3: bytes that changed, are missing or were added in the store are never taken for the blob', async () => {
    const content = randomBytes(150_000);
    const flip = (at: (length: number) => number) => (bytes: Buffer) => {
      const changed = Buffer.from(bytes);
      changed[at(bytes.length)]! ^= 1;
      return changed;
    };
    const damages: ((bytes: Buffer) => Buffer)[] = [
      flip((length) => length - 1),
      flip((length) => Math.floor(length / 2)),
      (bytes) => bytes.subarray(0, bytes.length - 1),
      (bytes) => bytes.subarray(0, 70_000),
      (bytes) => Buffer.concat([bytes, Buffer.from('!')]),
      () => Buffer.alloc(0),
    ];
    for (const damage of damages) {
      await store.put(KEY, content, factsOf(content));
      await place.damage(KEY, damage);
      await expect(contentOf(store.get(KEY))).rejects.toMatchObject({ code: 'blob_corrupt' });
    }
  });

  it('4: no key leads out of the store', async () => {
    const outside = [
      '../up',
      'a/../../up',
      '/etc/passwd',
      'a//b',
      'a/',
      '/',
      '',
      '.',
      'a/./b',
      'a\\b',
      'a\0b',
      'ä',
      'a b',
    ];
    for (const key of [...outside, 'a+blob', 'x'.repeat(201), 'long/'.repeat(120) + 'x']) {
      const refused = { code: 'blob_key_invalid' };
      await expect(store.put(key, Buffer.alloc(0), factsOf(Buffer.alloc(0)))).rejects.toMatchObject(refused);
      await expect(store.get(key)).rejects.toMatchObject(refused);
      await expect(store.head(key)).rejects.toMatchObject(refused);
      await expect(store.delete(key)).rejects.toMatchObject(refused);
      if (key !== '' && key !== 'a/') await expect(keys(store, key)).rejects.toMatchObject(refused);
    }
  });

  it('5: what is absent is not found, and may be deleted', async () => {
    await expect(store.get('absent')).rejects.toMatchObject({ code: 'blob_not_found' });
    expect(await store.head('absent')).toBeUndefined();
    await store.delete('absent');

    await store.put(KEY, Buffer.from('x'), factsOf(Buffer.from('x')));
    await store.delete(KEY);
    await store.delete(KEY);
    await expect(store.get(KEY)).rejects.toMatchObject({ code: 'blob_not_found' });
  });

  it('6: a list has every blob below its prefix, and no other', async () => {
    const put = (key: string) => store.put(key, Buffer.from(key), factsOf(Buffer.from(key)));
    const since = Date.now() - 60_000;
    await Promise.all(['a/1', 'a/2', 'a/deep/er/3', 'ab/4', 'b', 'a.b=c_d-e/5'].map(put));
    expect(await keys(store, '')).toEqual(['a.b=c_d-e/5', 'a/1', 'a/2', 'a/deep/er/3', 'ab/4', 'b']);
    expect(await keys(store, 'a/')).toEqual(['a/1', 'a/2', 'a/deep/er/3']);
    expect(await keys(store, 'a/deep/')).toEqual(['a/deep/er/3']);
    expect(await keys(store, 'nobody/')).toEqual([]);
    for await (const { key, bytes, modified_at } of store.list('')) {
      expect(bytes).toBe(key.length);
      expect(modified_at.getTime()).toBeGreaterThan(since);
    }
  });

  it('6: a list goes on past what one answer of a store holds', async () => {
    const names = Array.from({ length: 1_100 }, (_, at) => `many/${String(at).padStart(4, '0')}`);
    const empty = Buffer.alloc(0);
    for (let at = 0; at < names.length; at += 50) {
      await Promise.all(names.slice(at, at + 50).map((name) => store.put(name, empty, factsOf(empty))));
    }
    expect(await keys(store, 'many/')).toEqual(names);
  }, 120_000);

  it('7: a store that answers says so, and one that does not is an error with a code', async () => {
    await store.check();
    const nowhere = await place.openNowhere();
    const unavailable = { code: 'blob_store_unavailable' };
    await expect(nowhere.check()).rejects.toMatchObject(unavailable);
    await expect(nowhere.put(KEY, Buffer.from('x'), factsOf(Buffer.from('x')))).rejects.toMatchObject(unavailable);
  });
});

async function keys(store: BlobStore, prefix: string): Promise<string[]> {
  const found: string[] = [];
  for await (const { key } of store.list(prefix)) found.push(key);
  return found.sort();
}

function* pieces(content: Buffer): Generator<Buffer> {
  for (let at = 0; at < content.length; at += 10_001) yield content.subarray(at, at + 10_001);
}
