import { OffsetBeyondTail, OffsetGone, OffsetMalformed } from '../durable-streams.errors.js';
import type { LogHead } from '../log-head.js';

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

/** What the offsets of a log are made of. */
export type OffsetSpace = Pick<LogHead, 'generation' | 'fork_at' | 'lineage_ends' | 'lineage_generations'>;

/** The offset of a position: up to where a fork begins, that which the log has which holds it. */
export function offsetAt(log: OffsetSpace, position: number): string {
  return formatOffset({ generation: generationAt(log, position), position });
}

/** Whether the log, or one of those that it was forked from, gives or gave this position such an offset. */
export function isOffsetOf(log: OffsetSpace, { generation, position }: LogOffset): boolean {
  return generation === log.generation || generation === generationAt(log, position);
}

function generationAt({ generation, fork_at, lineage_ends, lineage_generations }: OffsetSpace, position: number) {
  if (position > fork_at) return generation;
  return lineage_generations.find((_, index) => position <= lineage_ends[index]!) ?? generation;
}

/** The bounds between which a log can be read. */
export type ReadableRange = OffsetSpace & Pick<LogHead, 'id' | 'source_id' | 'first' | 'tail'>;

/**
 * The position to read from for the `offset` of a request: `-1` (start), `now` (tail), or one handed out before.
 * Errors: offset_malformed, offset_beyond_tail, offset_gone (names the earliest offset that can be read).
 */
export function resolveOffset(text: string, range: ReadableRange): number {
  const earliest = offsetAt(range, range.first);
  if (text === 'now') return range.tail;
  if (text === '-1' || text === ZERO_OFFSET) {
    if (range.first > 0 && text === ZERO_OFFSET) throw OffsetGone({ offset: text, earliest });
    return range.first;
  }
  const { generation, position } = parseOffset(text);
  if (!isOffsetOf(range, { generation, position })) {
    // Generations are ids of logs, but forks from before migration 1794000008000 have their source's.
    const isOlder = generation < range.generation || (range.source_id !== null && generation < range.id);
    throw isOlder ? OffsetGone({ offset: text, earliest }) : OffsetBeyondTail({ offset: text });
  }
  if (position > range.tail) throw OffsetBeyondTail({ offset: text });
  if (position < range.first) throw OffsetGone({ offset: text, earliest });
  return position;
}

/** Errors: offset_malformed. */
export function parseOffset(text: string): LogOffset {
  const match = OFFSET.exec(text);
  if (!match) throw OffsetMalformed({ offset: text });
  return { generation: Number(match[1]), position: Number(match[2]) };
}
