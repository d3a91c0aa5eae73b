import {
  OffsetBeyondTail,
  OffsetGone,
  StreamCreateInvalid,
  StreamExists,
  ContentTypeMismatch,
} from '../durable-streams.errors.js';
import { isSameContentType, type LogHead } from '../log-head.js';
import { isOffsetOf, offsetAt, parseOffset, resolveOffset, ZERO_OFFSET } from '../offsets/log-offset.js';
import type { LogCreate, LogFork, LogLifetime } from './log-create.js';

export const DEFAULT_CONTENT_TYPE = 'application/octet-stream';

/** What the row of a new log holds besides its name. */
export interface NewLog {
  content_type: string;
  lifetime: LogLifetime;
  tail: number;
  first: number;
  /** Undefined: its own. */
  generation?: number;
  source_id: number | null;
  source_path: string | null;
  fork_anchor: number | null;
  fork_at: number;
  lineage_ids: number[];
  lineage_ends: number[];
  lineage_generations: number[];
}

export function newLog({ content_type = DEFAULT_CONTENT_TYPE, lifetime }: LogCreate): NewLog {
  return {
    content_type,
    lifetime,
    tail: 0,
    first: 0,
    source_id: null,
    source_path: null,
    fork_anchor: null,
    fork_at: 0,
    lineage_ids: [],
    lineage_ends: [],
    lineage_generations: [],
  };
}

/**
 * A fork continues the numbering of its source and reads what lies before it from there (Durable Streams, "Stream
 * forking"). Errors: content_type_mismatch, offset_malformed, offset_beyond_tail, offset_gone, stream_create_invalid.
 */
export function newFork(create: LogCreate, fork: LogFork, source: LogHead): NewLog {
  const { content_type = source.content_type } = create;
  if (!isSameContentType(content_type, source.content_type)) {
    throw ContentTypeMismatch({ expected: source.content_type, received: content_type });
  }
  const anchor = anchorOf(fork, source);
  const fork_at = anchor + fork.sub_offset;
  if (fork_at > source.tail) {
    throw StreamCreateInvalid({ reason: 'Stream-Fork-Sub-Offset lies beyond the end of the source stream.' });
  }
  return {
    content_type: source.content_type,
    lifetime: create.lifetime ?? lifetimeOf(source),
    tail: fork_at,
    first: source.first,
    source_id: source.id,
    source_path: source.path,
    fork_anchor: anchor,
    fork_at,
    ...lineageOf(source, fork_at),
  };
}

function anchorOf({ offset }: LogFork, source: LogHead): number {
  if (offset === undefined) return source.tail;
  if (offset === ZERO_OFFSET || offset === '-1' || offset === 'now') return resolveOffset(offset, source);
  const at = parseOffset(offset);
  if (!isOffsetOf(source, at) || at.position > source.tail) throw OffsetBeyondTail({ offset });
  if (at.position < source.first) throw OffsetGone({ offset, earliest: offsetAt(source, source.first) });
  return at.position;
}

function lifetimeOf({ ttl_seconds, expires_at }: LogHead): LogLifetime {
  if (ttl_seconds !== null) return { ttl_seconds };
  return expires_at ? { expires_at } : undefined;
}

/** The source's own lineage up to the fork, and the source itself where it holds a part of it. */
function lineageOf(
  source: LogHead,
  fork_at: number,
): Pick<NewLog, 'lineage_ids' | 'lineage_ends' | 'lineage_generations'> {
  const holders = [
    ...source.lineage_ids.map((id, index) => ({
      id,
      end: source.lineage_ends[index]!,
      generation: source.lineage_generations[index] ?? source.generation,
    })),
    { id: source.id, end: fork_at, generation: source.generation },
  ];
  const lineage: typeof holders = [];
  for (const holder of holders) {
    const end = Math.min(holder.end, fork_at);
    // The first stays though it may hold nothing: the offset of the start is its own.
    if (lineage.length === 0 || end > lineage.at(-1)!.end) lineage.push({ ...holder, end });
  }
  return {
    lineage_ids: lineage.map(({ id }) => id),
    lineage_ends: lineage.map(({ end }) => end),
    lineage_generations: lineage.map(({ generation }) => generation),
  };
}

/** Whether a log that exists is the one that is asked for. Errors: stream_exists, offset_malformed. */
export function requireSame(create: LogCreate, existing: LogHead): void {
  const difference = differenceOf(create, existing);
  if (difference) throw StreamExists({ path: create.path, difference });
}

function differenceOf(create: LogCreate, existing: LogHead): string | undefined {
  const { content_type, fork, lifetime, closed } = create;
  const wanted = content_type ?? (fork ? existing.content_type : DEFAULT_CONTENT_TYPE);
  if (!isSameContentType(wanted, existing.content_type)) return 'content type';
  if (closed !== existing.closed) return 'closed state';
  if ((fork?.source_path ?? null) !== existing.source_path) return 'source';
  if (fork && !isSameFork(fork, existing)) return 'fork offset';
  // A fork that asks for none has its source's, whatever that is.
  if (!(fork && !lifetime) && !isSameLifetime(lifetime, existing)) return 'lifetime';
  return undefined;
}

function isSameFork({ offset, sub_offset }: LogFork, existing: LogHead): boolean {
  const { fork_anchor, fork_at, first } = existing;
  if (sub_offset !== fork_at - fork_anchor!) return false;
  if (offset === undefined || offset === 'now') return true;
  if (offset === ZERO_OFFSET || offset === '-1') return fork_anchor === first;
  const at = parseOffset(offset);
  return at.position === fork_anchor && isOffsetOf(existing, at);
}

function isSameLifetime(lifetime: LogLifetime, { ttl_seconds, expires_at }: LogHead): boolean {
  if (!lifetime) return ttl_seconds === null && expires_at === null;
  if ('ttl_seconds' in lifetime) return ttl_seconds === lifetime.ttl_seconds;
  return ttl_seconds === null && expires_at?.getTime() === lifetime.expires_at.getTime();
}
