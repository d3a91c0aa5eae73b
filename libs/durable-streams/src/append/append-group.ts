import { isJson, type LogHead, type ProducerState } from '../log-head.js';
import type { LogChanges, LogSegment } from '../log.repository.js';
import { judgeAppend } from './append-verdict.rules.js';
import type { AppendOutcome, KeyedAppend, LogAppend } from './log-append.js';

/** A log as far as appends depend on it. */
export interface KnownLog {
  /** Undefined when there is none. */
  head: LogHead | undefined;
  /** Those of the producers that were looked up; undefined for one that never wrote. */
  producers: Map<string, ProducerState | undefined>;
}

/** A log that a group changes, as it is once that is committed. */
export interface ChangedLog {
  readonly known: KnownLog & { head: LogHead };
  readonly segments: LogSegment[];
}

export interface JudgedGroup {
  /** In the order of the appends. */
  outcomes: AppendOutcome[];
  changes: LogChanges;
  /** The changed logs, in the order of `changes.heads`. */
  after: Map<string, ChangedLog>;
}

/**
 * Judges a group of appends one after the other, each against what the ones before it leave, and gathers what passes.
 * `known` must hold every log and producer that they name; it is not changed.
 */
export function judgeGroup(appends: KeyedAppend[], known: Map<string, KnownLog>): JudgedGroup {
  const drafts = new Map<string, Draft>();
  const outcomes = appends.map(({ key, append }): AppendOutcome => {
    let draft = drafts.get(key);
    const log = draft?.known ?? known.get(key);
    const last = append.producer && log?.producers.get(append.producer.id);
    const verdict = judgeAppend(append, log?.head, last);
    if (verdict) return verdict;
    if (!draft) drafts.set(key, (draft = new Draft(log as KnownLog & { head: LogHead })));
    return { kind: 'appended', head: draft.add(append) };
  });
  const changes: LogChanges = { heads: [], segments: [], producers: [] };
  for (const draft of drafts.values()) draft.conclude(changes);
  return { outcomes, changes, after: drafts };
}

/** One log while a group is judged. */
class Draft implements ChangedLog {
  readonly known: KnownLog & { head: LogHead };
  segments: LogSegment[] = [];
  private readonly messages: Buffer[] = [];
  private changedProducers: Set<string> | undefined;
  /** Whether more than the tail changes. */
  private restIsChanged = false;

  constructor(private readonly before: KnownLog & { head: LogHead }) {
    this.known = { head: before.head, producers: before.producers };
  }

  /** The head as it is after the append. */
  add({ messages, producer, seq, close, writer }: LogAppend): LogHead {
    const head = { ...this.known.head, version: this.before.head.version + 1 };
    head.tail += isJson(head) ? messages.length : messages.reduce((sum, { length }) => sum + length, 0);
    this.messages.push(...messages);
    if (producer) {
      if (this.known.producers === this.before.producers) this.known.producers = new Map(this.before.producers);
      this.known.producers.set(producer.id, { epoch: producer.epoch, seq: producer.seq });
      (this.changedProducers ??= new Set()).add(producer.id);
    }
    if (seq !== undefined || close || writer !== undefined) this.restIsChanged = true;
    if (seq !== undefined) head.last_seq = seq;
    if (close) {
      head.closed = true;
      head.closed_by = producer ?? null;
    }
    if (writer !== undefined) {
      head.epoch = writer?.epoch ?? null;
      head.turn_id = writer?.turn_id ?? null;
    }
    return (this.known.head = head);
  }

  /** After the last append: adds what becomes of the log to `changes`. */
  conclude({ heads, segments, producers }: LogChanges): void {
    const { version, tail: start } = this.before.head;
    const { project_id, id, tail } = this.known.head;
    heads.push({ project_id, id, version, tail, rest: this.restIsChanged ? restOf(this.known.head) : undefined });
    this.segments = isJson(this.before.head) ? jsonSegments(this.messages, start) : byteSegments(this.messages, start);
    for (const segment of this.segments) segments.push({ log_id: id, ...segment });
    for (const producer_id of this.changedProducers ?? []) {
      producers.push({ log_id: id, producer_id, ...this.known.producers.get(producer_id)! });
    }
  }
}

const restOf = ({ closed, closed_by, last_seq, epoch, turn_id }: LogHead) => ({
  closed,
  closed_by,
  last_seq,
  epoch,
  turn_id,
});

/** A segment is read whole, so a large append becomes several. */
const SEGMENT_BYTES = 1024 * 1024;

const COMMA = Buffer.from(',');

function jsonSegments(messages: Buffer[], tail: number): LogSegment[] {
  const segments: LogSegment[] = [];
  for (let from = 0; from < messages.length;) {
    let upto = from + 1;
    for (let bytes = messages[from]!.length; upto < messages.length; upto++) {
      bytes += messages[upto]!.length;
      if (bytes > SEGMENT_BYTES) break;
    }
    segments.push(jsonSegment(messages.slice(from, upto), tail + from));
    from = upto;
  }
  return segments;
}

function jsonSegment(messages: Buffer[], start: number): LogSegment {
  const lengths = Buffer.allocUnsafe(messages.length * 4);
  messages.forEach((message, index) => lengths.writeInt32BE(message.length, index * 4));
  return { start, upto: start + messages.length, lengths, body: joinMessages(messages) };
}

/** Joined by commas. Messages of one array stand so in its body already, and are not copied for it. */
function joinMessages(messages: Buffer[]): Buffer {
  if (messages.length === 1) return messages[0]!;
  const runs: Buffer[] = [];
  for (let from = 0; from < messages.length;) {
    const first = messages[from]!;
    const memory = new Uint8Array(first.buffer);
    let upto = from + 1;
    while (upto < messages.length && follows(memory, messages[upto - 1]!, messages[upto]!)) upto += 1;
    const last = messages[upto - 1]!;
    if (runs.length) runs.push(COMMA);
    runs.push(Buffer.from(first.buffer, first.byteOffset, last.byteOffset + last.length - first.byteOffset));
    from = upto;
  }
  return runs.length === 1 ? runs[0]! : Buffer.concat(runs);
}

/** Whether there is one byte between the two in the same memory, and it is a comma. */
const follows = (memory: Uint8Array, before: Buffer, message: Buffer) =>
  message.buffer === memory.buffer &&
  message.byteOffset === before.byteOffset + before.length + 1 &&
  memory[message.byteOffset - 1] === COMMA[0];

const NO_LENGTHS = Buffer.alloc(0);

function byteSegments(runs: Buffer[], tail: number): LogSegment[] {
  const bytes = runs.length === 1 ? runs[0]! : Buffer.concat(runs);
  const segments: LogSegment[] = [];
  for (let from = 0; from < bytes.length;) {
    const upto = endOfSegment(bytes, from);
    segments.push({ start: tail + from, upto: tail + upto, lengths: NO_LENGTHS, body: bytes.subarray(from, upto) });
    from = upto;
  }
  return segments;
}

/** Not within a character of UTF-8: a text is sent segment by segment. */
function endOfSegment(bytes: Buffer, from: number): number {
  const end = Math.min(from + SEGMENT_BYTES, bytes.length);
  if (end === bytes.length) return end;
  for (let back = 0; back < 4; back++) if ((bytes[end - back]! & 0xc0) !== 0x80) return end - back;
  return end;
}
