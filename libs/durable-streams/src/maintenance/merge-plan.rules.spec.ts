import fc from 'fast-check';
import { FULL_WEIGHT, MAX_WEIGHT, planMerges, type SegmentSize } from './merge-plan.rules.js';

const sizes = (...weights: number[]): SegmentSize[] => weights.map((weight) => ({ weight, day: 1 }));
const of = (count: number, weight: number): number[] => Array.from({ length: count }, () => weight);
const K = 1024;

const arbitrarySegments = fc.array(
  fc.record({
    weight: fc.oneof(
      { weight: 6, arbitrary: fc.integer({ min: 5, max: 2 * K }) },
      { weight: 2, arbitrary: fc.integer({ min: 5, max: 600 * K }) },
      { weight: 1, arbitrary: fc.integer({ min: 5, max: 3 * MAX_WEIGHT }) },
    ),
    day: fc.constantFrom(0, 0, 0, 0, 0, 1),
  }),
  { maxLength: 300 },
);

/** Segments in the order of time: a segment begins a new day where its `day` is 1. */
function inOrder(segments: SegmentSize[]): SegmentSize[] {
  let day = 0;
  return segments.map((segment) => ({ weight: segment.weight, day: (day += segment.day) }));
}

describe('the plan of a compaction', () => {
  it('makes one segment of many small ones', () => {
    expect(planMerges(sizes(...of(64, 260)))).toEqual({ merges: [{ from: 0, upto: 64 }], open: 0 });
  });

  it('fills segments up to 1 MiB', () => {
    expect(planMerges(sizes(...of(10, 300 * K)))).toEqual({
      merges: [
        { from: 0, upto: 3 },
        { from: 3, upto: 6 },
        { from: 6, upto: 9 },
      ],
      open: 9,
    });
  });

  it('leaves full segments alone, and merges what they enclose once', () => {
    expect(planMerges(sizes(10, FULL_WEIGHT, 300 * K, 10, 2 * MAX_WEIGHT, 10))).toEqual({
      merges: [{ from: 2, upto: 4 }],
      open: 5,
    });
  });

  it('does not write a segment again for little: what may still grow must become four times as large', () => {
    expect(planMerges(sizes(100 * K, ...of(64, 260))).merges).toEqual([{ from: 1, upto: 65 }]);
    expect(planMerges(sizes(100 * K, 100 * K, 50 * K, 50 * K)).merges).toEqual([]);
    expect(planMerges(sizes(100 * K, 100 * K, 100 * K, 100 * K)).merges).toEqual([{ from: 0, upto: 4 }]);
  });

  it('does not join two days', () => {
    const days = [...of(3, 1), ...of(3, 2)].map((day) => ({ weight: 100, day }));
    expect(planMerges(days)).toEqual({ merges: [{ from: 0, upto: 3 }], open: 3 });
  });

  it('has nothing to do for none and for one', () => {
    expect(planMerges([])).toEqual({ merges: [], open: 0 });
    expect(planMerges(sizes(1))).toEqual({ merges: [], open: 0 });
  });

  it('merges only neighbours of one day that are not full and fit together, each once', () => {
    fc.assert(
      fc.property(arbitrarySegments, (arbitrary) => {
        const segments = inOrder(arbitrary);
        const { merges, open } = planMerges(segments);
        let end = 0;
        for (const { from, upto } of merges) {
          const parts = segments.slice(from, upto);
          expect(from).toBeGreaterThanOrEqual(end);
          expect(parts.length).toBeGreaterThan(1);
          expect(new Set(parts.map(({ day }) => day)).size).toBe(1);
          expect(parts.every(({ weight }) => weight < FULL_WEIGHT)).toBe(true);
          expect(total(parts)).toBeLessThanOrEqual(MAX_WEIGHT);
          end = upto;
        }
        expect(open).toBeLessThanOrEqual(segments.length);
      }),
    );
  });

  it('M7: however a log grows, a byte is written again at most 1 + log4(1 MiB / its segment) times', () => {
    const growth = fc.array(fc.array(fc.integer({ min: 5, max: 5_000 }), { minLength: 48, maxLength: 100 }), {
      minLength: 1,
      maxLength: 40,
    });
    fc.assert(
      fc.property(growth, (rounds) => {
        let log: Grown[] = [];
        for (const round of rounds) {
          log = compacted([
            ...log,
            ...round.map((weight) => ({ weight, day: 1, rewritten: 0, allowed: allowedFor(weight) })),
          ]);
        }
        for (const { rewritten, allowed } of log) expect(rewritten).toBeLessThanOrEqual(allowed);
      }),
      { numRuns: 50 },
    );
  });

  it('M7: and few segments stay: two for each 512 KiB, and those that still grow', () => {
    const growth = fc.array(fc.integer({ min: 64, max: 4_000 }), { minLength: 500, maxLength: 4_000 });
    fc.assert(
      fc.property(growth, (weights) => {
        let log: Grown[] = [];
        for (let at = 0; at < weights.length; at += 48) {
          const round = weights.slice(at, at + 48).map((weight) => ({ weight, day: 1, rewritten: 0, allowed: 0 }));
          log = compacted([...log, ...round]);
        }
        expect(log.length).toBeLessThanOrEqual((2 * total(log)) / FULL_WEIGHT + 24);
      }),
      { numRuns: 50 },
    );
  });
});

interface Grown extends SegmentSize {
  /** How often the byte of it that was written again most often was. */
  rewritten: number;
  /** How often that one may be: of all of its bytes, the least. */
  allowed: number;
}

const allowedFor = (weight: number) => 1 + Math.log(MAX_WEIGHT / weight) / Math.log(4);

const total = (segments: SegmentSize[]) => segments.reduce((sum, { weight }) => sum + weight, 0);

/** What a plan makes of a log. A byte's count is carried with what it may be: the part that is nearest to its limit. */
function compacted(log: Grown[]): Grown[] {
  const { merges } = planMerges(log);
  const next: Grown[] = [];
  let at = 0;
  for (const { from, upto } of merges) {
    const parts = log.slice(from, upto);
    const [nearest] = [...parts].sort((a, b) => a.allowed - a.rewritten - (b.allowed - b.rewritten));
    next.push(...log.slice(at, from), { ...nearest!, weight: total(parts), rewritten: nearest!.rewritten + 1 });
    at = upto;
  }
  return [...next, ...log.slice(at)];
}
