import fc from 'fast-check';
import type { LogSegment } from '../log.repository.js';
import { sliceBlock } from './log-block.js';
import { SegmentCache } from './segment-cache.js';

/** Messages "0", "1", … as one block. */
function block(start: number, upto: number): LogSegment {
  const messages = Array.from({ length: upto - start }, (_, index) => Buffer.from(String(start + index)));
  const lengths = Buffer.alloc(messages.length * 4);
  messages.forEach(({ length }, index) => lengths.writeInt32BE(length, index * 4));
  return { start, upto, lengths, body: Buffer.from(messages.join(',')) };
}

const cacheOf = (cacheBytes: number) => new SegmentCache({ cacheBytes, allowLoopbackWebhooks: false });
const shown = (found: LogSegment, from: number, end: number) =>
  (JSON.parse(`[${sliceBlock(found, true, from, end).toString()}]`) as number[]).join();
const numbers = (from: number, end: number) => Array.from({ length: end - from }, (_, index) => from + index).join();

describe('the cache of segments', () => {
  it('finds the block that holds a position, and none for what it does not hold', () => {
    const cache = cacheOf(1_000_000);
    cache.add(1, block(10, 20));
    cache.add(1, block(30, 40));
    cache.add(2, block(0, 5));
    expect([9, 10, 19, 20, 29, 30, 39, 40].map((position) => cache.find(1, position)?.start)).toEqual([
      undefined,
      10,
      10,
      undefined,
      undefined,
      30,
      30,
      undefined,
    ]);
    expect(cache.find(3, 0)).toBeUndefined();
  });

  it('goes on with what is written at a tail that it holds, and costs nothing for any other log', () => {
    const cache = cacheOf(1_000_000);
    cache.add(1, block(0, 5));
    cache.extend(1, true, block(5, 7));
    cache.extend(1, true, block(8, 9));
    cache.extend(2, true, block(0, 3));
    expect(shown(cache.find(1, 3)!, 3, 7)).toBe('3,4,5,6');
    expect([cache.find(1, 7), cache.find(1, 8), cache.find(2, 0)]).toEqual([undefined, undefined, undefined]);
  });

  it('does not change what it gave out before', () => {
    const cache = cacheOf(1_000_000);
    cache.add(1, block(0, 5));
    cache.extend(1, true, block(5, 6));
    const given = cache.find(1, 0)!;
    const text = given.body.toString();
    for (let at = 6; at < 2_000; at++) cache.extend(1, true, block(at, at + 1));
    expect(given).toMatchObject({ start: 0, upto: 6 });
    expect(given.body.toString()).toBe(text);
    expect(shown(cache.find(1, 1_500)!, 1_500, 1_503)).toBe('1500,1501,1502');
  });

  it('keeps to its budget, and lets go first what was not used for longest', () => {
    const cache = cacheOf(3_000);
    for (let log = 0; log < 50; log++) {
      cache.add(log, block(0, 50));
      cache.find(0, 0);
    }
    const kept = Array.from({ length: 50 }, (_, log) => log).filter((log) => cache.find(log, 0));
    expect(kept).toContain(0);
    expect(kept).toContain(49);
    expect(kept.length * block(0, 50).body.length).toBeLessThan(3_000);
    for (let at = 50; at < 5_000; at++) cache.extend(49, true, block(at, at + 1));
    expect(cache.find(0, 0)).toBeUndefined();
  });

  it('holds nothing where it may not', () => {
    const cache = cacheOf(0);
    cache.add(1, block(0, 5));
    cache.extend(1, true, block(5, 6));
    expect(cache.find(1, 0)).toBeUndefined();
  });

  it('shows every position as it is, however blocks overlap that were read before and after compaction', () => {
    const part = fc.record({ start: fc.nat({ max: 60 }), size: fc.integer({ min: 1, max: 30 }) });
    fc.assert(
      fc.property(fc.array(part), fc.integer({ min: 0, max: 20_000 }), (parts, budget) => {
        const cache = cacheOf(budget);
        for (const { start, size } of parts) {
          cache.add(1, block(start, start + size));
          cache.extend(1, true, block(start + size, start + size + 2));
          for (let position = 0; position < 95; position++) {
            const found = cache.find(1, position);
            if (found) expect(shown(found, position, found.upto)).toBe(numbers(position, found.upto));
          }
        }
      }),
    );
  });
});

describe('a part of a block', () => {
  it.each([
    [3, 9, '3,4,5,6,7,8'],
    [0, 9, '3,4,5,6,7,8'],
    [5, 7, '5,6'],
    [3, 4, '3'],
    [8, 20, '8'],
  ])('from %d to %d is its messages %s', (from, end, expected) => {
    expect(sliceBlock(block(3, 9), true, from, end).toString()).toBe(expected);
  });

  it('of bytes is its bytes', () => {
    const bytes = { start: 10, upto: 16, lengths: Buffer.alloc(0), body: Buffer.from('abcdef') };
    expect(sliceBlock(bytes, false, 12, 15).toString()).toBe('cde');
    expect(sliceBlock(bytes, false, 0, 99).toString()).toBe('abcdef');
  });
});
