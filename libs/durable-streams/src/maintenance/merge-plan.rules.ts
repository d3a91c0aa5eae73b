/** What a plan needs to know of a segment. */
export interface SegmentSize {
  /** Bytes of its body and lengths, and one for the comma that joins it to the next. */
  weight: number;
  /** The UTC day of its newest message; any number that grows by day. */
  day: number;
}

/** Adjacent segments that become one: indexes `from` (inclusive) to `upto` (exclusive). */
export interface Merge {
  from: number;
  upto: number;
}

/** A merged segment weighs at most this: one message of a gateway or a driver still takes it whole. */
export const MAX_WEIGHT = 1024 * 1024;

/** From here on a segment is full: it is never written again. */
export const FULL_WEIGHT = MAX_WEIGHT / 2;

/** As long as a run may still grow, it is merged only into something this many times its largest segment. */
const GROWTH = 4;

/**
 * Which of the adjacent `segments`, oldest first, to merge. `open` is the index from which on the run may still grow by
 * segments that are not among them.
 *
 * Runs never cross a full segment or the end of a day (a segment is trimmed by the age of its newest message, so that
 * would be late without bound otherwise). A run that cannot grow any more is merged whole, once. The last one, which
 * can, is merged where that multiplies the size of what it rewrites. So a byte is written again at most
 * 1 + log4(1 MiB / the segment it was appended in) times however long the log grows, and of a log of `w` bytes that grew
 * within a day at most about 2 `w` / 512 KiB segments stay, and a few that still grow.
 */
export function planMerges(segments: SegmentSize[]): { merges: Merge[]; open: number } {
  const merges: Merge[] = [];
  let from = 0;
  let weight = 0;
  segments.forEach((segment, index) => {
    const isFull = segment.weight >= FULL_WEIGHT;
    const isNextDay = index > from && segment.day !== segments[from]!.day;
    if (isFull || isNextDay || weight + segment.weight > MAX_WEIGHT) {
      if (index - from > 1) merges.push({ from, upto: index });
      from = isFull ? index + 1 : index;
      weight = 0;
    }
    if (!isFull) weight += segment.weight;
  });
  return { merges: [...merges, ...growingMerges(segments, { from, upto: segments.length })], open: from };
}

function growingMerges(segments: SegmentSize[], run: Merge): Merge[] {
  if (run.upto - run.from < 2) return [];
  let total = 0;
  let largest = run.from;
  for (let index = run.from; index < run.upto; index++) {
    total += segments[index]!.weight;
    if (segments[index]!.weight > segments[largest]!.weight) largest = index;
  }
  if (total >= GROWTH * segments[largest]!.weight) return [run];
  return [
    ...growingMerges(segments, { from: run.from, upto: largest }),
    ...growingMerges(segments, { from: largest + 1, upto: run.upto }),
  ];
}
