import { nextCursor, offsetAt, type AppendOutcome, type LogHead, type LogPage } from '@holdfast/durable-streams';
import type { DomainError } from '@holdfast/platform-errors';

/** Headers of the Durable Streams protocol, by lower-case name. */
export type StreamHeaders = Record<string, string>;

const CLOSED: StreamHeaders = { 'stream-closed': 'true' };

/** Of HEAD and of PUT. */
export function headHeaders(head: LogHead): StreamHeaders {
  return {
    'content-type': head.content_type,
    'stream-next-offset': offsetAt(head, head.tail),
    ...(head.closed && CLOSED),
  };
}

/** How long it lives; of HEAD only. */
export function lifetimeHeaders({ ttl_seconds, expires_at }: LogHead): StreamHeaders {
  if (ttl_seconds !== null) return { 'stream-ttl': String(ttl_seconds) };
  return expires_at ? { 'stream-expires-at': expires_at.toISOString() } : {};
}

/** Of an append that is durable, now or since before. */
export function appendHeaders(
  outcome: Exclude<AppendOutcome, { kind: 'refused' }>,
  producer?: { epoch: number; seq: number },
): StreamHeaders {
  const { head } = outcome;
  const highest = outcome.kind === 'duplicate' ? outcome.seq : producer?.seq;
  return {
    'stream-next-offset': offsetAt(head, head.tail),
    ...(head.closed && CLOSED),
    ...(producer && { 'producer-epoch': String(producer.epoch), 'producer-seq': String(highest) }),
  };
}

/** Of a page of messages, plain or by long-poll. */
export function pageHeaders(
  head: LogHead,
  page: LogPage,
  live: { cursor: string | undefined } | undefined,
): StreamHeaders {
  const ends = head.closed && page.upToDate;
  return {
    'content-type': head.content_type,
    'stream-next-offset': offsetAt(head, page.next),
    ...(page.upToDate && { 'stream-up-to-date': 'true' }),
    ...(ends && CLOSED),
    ...(live && !ends && { 'stream-cursor': nextCursor(live.cursor) }),
  };
}

/** Names what a page holds: it changes when more is appended to the end that it reached, or that end becomes final. */
export function entityTag(head: LogHead, page: LogPage): string {
  return `"${head.id}:${page.from}:${page.next}${head.closed && page.upToDate ? ':c' : ''}"`;
}

/** RFC 9110, section 13.1.2: weak comparison with any of a list. */
export function matchesEntityTag(ifNoneMatch: string | undefined, tag: string): boolean {
  if (ifNoneMatch === undefined) return false;
  return ifNoneMatch.trim() === '*' || ifNoneMatch.split(',').some((one) => one.trim().replace(/^W\//, '') === tag);
}

/** What the protocol says in headers about a refusal; our problem says it in its members. */
export function refusalHeaders({ code, members }: DomainError): StreamHeaders {
  const { next_offset, current_epoch, expected_seq, received_seq, earliest_offset } = members as Record<
    string,
    unknown
  >;
  switch (code) {
    case 'stream_closed':
      return { ...CLOSED, 'stream-next-offset': String(next_offset) };
    case 'producer_epoch_stale':
    case 'stale_epoch':
      return { 'producer-epoch': String(current_epoch) };
    case 'producer_sequence_gap':
      return { 'producer-expected-seq': String(expected_seq), 'producer-received-seq': String(received_seq) };
    case 'offset_gone':
      return { 'stream-earliest-offset': String(earliest_offset) };
    default:
      return {};
  }
}
