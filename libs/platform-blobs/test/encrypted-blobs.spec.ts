import { randomBytes } from 'node:crypto';
import { contentOf, factsOf } from './blob-content.js';
import { encryptedStores } from './blob-stores.js';

const SECRET = Buffer.from('the quick brown fox '.repeat(10_000));

describe.each(encryptedStores)('encrypted blobs in $name', ({ open }) => {
  const [one, two] = [randomBytes(32), randomBytes(32)];

  it('8: nothing of the content can be seen in the store, and the same content never looks the same', async () => {
    const place = await open([one]);
    await place.store.put('a', SECRET, factsOf(SECRET));
    await place.store.put('b', SECRET, factsOf(SECRET));
    const [a, b] = [...(await place.stored()).values()];
    for (const bytes of [a!, b!]) expect(bytes.includes('quick brown')).toBe(false);
    expect(a!.subarray(-100).equals(b!.subarray(-100))).toBe(false);
    await place.close();
  });

  it('8: the first key encrypts, all decrypt', async () => {
    const place = await open([one]);
    await place.store.put('old', SECRET, factsOf(SECRET));
    const rotated = await place.reopen([two, one]);
    await rotated.put('new', SECRET, factsOf(SECRET));
    for (const key of ['old', 'new']) expect((await contentOf(rotated.get(key))).equals(SECRET)).toBe(true);

    const onlyNew = await place.reopen([two]);
    expect((await contentOf(onlyNew.get('new'))).equals(SECRET)).toBe(true);
    await expect(contentOf(onlyNew.get('old'))).rejects.toMatchObject({
      code: 'blob_corrupt',
      message: expect.stringContaining('not configured'),
    });
    await place.close();
  });

  it('8: what is not encrypted is not taken for content, nor what is encrypted for plain bytes of the same size', async () => {
    const place = await open([one]);
    const plain = await place.reopen([]);
    await plain.put('plain', SECRET, factsOf(SECRET));
    await expect(contentOf(place.store.get('plain'))).rejects.toMatchObject({ code: 'blob_corrupt' });
    await expect(contentOf(place.store.get('plain', { start: 0, end: 10 }))).rejects.toMatchObject({
      code: 'blob_corrupt',
    });
    await place.close();
  });

  it('8: a blob under the key of another is damaged', async () => {
    const place = await open([one]);
    const inner = await place.reopen([]);
    await place.store.put('mine', SECRET, factsOf(SECRET));
    const stored = await contentOf(inner.get('mine'));
    await inner.put('yours', stored, factsOf(stored));
    await expect(contentOf(place.store.get('yours'))).rejects.toMatchObject({ code: 'blob_corrupt' });
    expect((await contentOf(place.store.get('mine'))).equals(SECRET)).toBe(true);
    await place.close();
  });

  it('8: whoever can write to the store can neither drop, move nor cut off a part', async () => {
    const place = await open([one]);
    const inner = await place.reopen([]);
    await place.store.put('whole', SECRET, factsOf(SECRET));
    const stored = await contentOf(inner.get('whole'));
    const [header, segment] = [48, 65_536 + 16];
    const segments = [0, 1, 2, 3].map((at) => stored.subarray(header + at * segment, header + (at + 1) * segment));
    const arrangements = [
      [segments[0]!, segments[1]!, segments[2]!],
      [segments[1]!, segments[0]!, segments[2]!, segments[3]!],
      [segments[0]!, segments[2]!, segments[3]!],
      [],
    ];
    for (const arranged of arrangements) {
      const forged = Buffer.concat([stored.subarray(0, header), ...arranged]);
      // With a checksum of their own, as such a writer would.
      await inner.put('whole', forged, factsOf(forged));
      await expect(contentOf(place.store.get('whole'))).rejects.toMatchObject({ code: 'blob_corrupt' });
    }
    await place.close();
  });
});
