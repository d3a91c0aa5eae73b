import { OffsetBeyondTail, OffsetGone, OffsetMalformed } from '../durable-streams.errors.js';

/** A place in a log. Positions count messages from 0; a log made again under the same path is a new generation. */
export interface LogOffset {
  generation: number;
  position: number;
}

const OFFSET = /^(\d{16})_(\d{16})$/;
export const ZERO_OFFSET = '0000000000000000_0000000000000000';

const pad = (value: number) => String(value).padStart(16, '0');

/** The wire form `%016d_%016d`: opaque to clients, and in byte order it is in log order. */
export function formatOffset({ generation, position }: LogOffset): string {
  return `${pad(generation)}_${pad(position)}`;
}

/** The bounds between which a log can be read. */
export interface ReadableRange {
  id: number;
  generation: number;
  source_id: number | null;
  first: number;
  tail: number;
}

/**
 * The position to read from for the `offset` of a request: `-1` (start), `now` (tail), or one handed out before.
 * Errors: offset_malformed, offset_beyond_tail, offset_gone (names the earliest offset that can be read).
 */
export function resolveOffset(text: string, range: ReadableRange): number {
  const earliest = formatOffset({ generation: range.generation, position: range.first });
  if (text === 'now') return range.tail;
  if (text === '-1' || text === ZERO_OFFSET) {
    if (range.first > 0 && text === ZERO_OFFSET) throw OffsetGone({ offset: text, earliest });
    return range.first;
  }
  const { generation, position } = parseOffset(text);
  // Generations are ids of logs, and a fork has that of its source: what stood here before it may have a greater one.
  const isOlder = generation < range.generation || (range.source_id !== null && generation < range.id);
  if (generation !== range.generation && isOlder) throw OffsetGone({ offset: text, earliest });
  if (generation > range.generation || position > range.tail) throw OffsetBeyondTail({ offset: text });
  if (position < range.first) throw OffsetGone({ offset: text, earliest });
  return position;
}

/** Errors: offset_malformed. */
export function parseOffset(text: string): LogOffset {
  const match = OFFSET.exec(text);
  if (!match) throw OffsetMalformed({ offset: text });
  return { generation: Number(match[1]), position: Number(match[2]) };
}
