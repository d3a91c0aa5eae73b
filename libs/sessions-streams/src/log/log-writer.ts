import { Injectable } from '@nestjs/common';
import { StaleEpoch, type Transaction } from '@holdfast/platform-postgres';
import type { DomainError } from '@holdfast/platform-errors';
import { ProducerSequenceGap, StreamNotFound, TurnMismatch } from './log.errors.js';
import { LogRepository, type LogChanges, type LogHead, type LogKey, type ProducerState } from './log.repository.js';

/** An idempotent producer's claim on one append: (epoch, seq) grows by one with each. */
export interface Producer {
  id: string;
  epoch: number;
  seq: number;
}

/** Who may append to a session's log from outside: the runner of one attempt of one turn. */
export interface LogAuthor {
  epoch: number;
  turn_id: string;
}

/** Messages for one log, to be written together and next to each other. */
export interface LogAppend extends LogKey {
  /** Compact JSON texts. */
  messages: Buffer[];
  /** Set for what comes from outside: checked against the log's epoch and the producer's last sequence. */
  producer?: Producer;
  /** The turn that the messages say they are of, where they come from outside. */
  turn_id?: string;
  /** Set by the server's own writes that begin or end somebody's right to append. */
  writer?: LogAuthor | null;
}

/** What became of one append; `busy` ones are to be tried again in a later group. */
export type AppendOutcome =
  | { kind: 'appended'; generation: number; tail: number }
  | { kind: 'duplicate'; generation: number; tail: number; seq: number }
  | { kind: 'refused'; error: DomainError }
  | { kind: 'busy' };

/** A log whose tail moved in a transaction. */
export interface MovedLog extends LogKey {
  generation: number;
  tail: number;
}

const keyOf = ({ project_id, path }: LogKey) => `${project_id} ${path}`;
const producerKey = (log_id: number, producer_id: string) => `${log_id} ${producer_id}`;

/**
 * Writes a group of appends in a transaction: locks every log of the group in id order, judges each append in turn
 * against what the ones before it left, and stores what passed in one statement. Both doors of the log end here, so
 * both make the same checks.
 */
@Injectable()
export class LogWriter {
  constructor(private readonly repository: LogRepository) {}

  /** Outcomes in the order of `appends`, and the logs that moved. With `skipBusy` it never waits for a lock. */
  async write(
    tx: Transaction,
    appends: LogAppend[],
    skipBusy: boolean,
  ): Promise<{ outcomes: AppendOutcome[]; moved: MovedLog[] }> {
    const keys = [...new Map(appends.map((append) => [keyOf(append), append])).values()];
    const heads = new Map((await this.repository.lockHeads(tx, keys, skipBusy)).map((head) => [keyOf(head), head]));
    const absent = keys.filter((key) => !heads.has(keyOf(key)));
    const busy = new Set(
      skipBusy && absent.length ? (await this.repository.existing(tx, absent)).map((key) => keyOf(key)) : [],
    );
    const producers = await this.loadProducers(tx, appends, heads);

    const changes: LogChanges = { heads: [], segments: [], producers: [] };
    const changedHeads = new Set<LogHead>();
    const changedProducers = new Set<ProducerState & { project_id: string }>();
    const outcomes = appends.map((append): AppendOutcome => {
      const head = heads.get(keyOf(append));
      if (!head) {
        return busy.has(keyOf(append))
          ? { kind: 'busy' }
          : { kind: 'refused', error: StreamNotFound({ path: append.path }) };
      }
      const verdict = append.producer ? judgeProducer(append, append.producer, head, producers) : undefined;
      if (verdict) return verdict;

      if (append.producer) changedProducers.add(advanceProducer(append.producer, head, producers));
      if (append.writer !== undefined) {
        head.epoch = append.writer?.epoch ?? null;
        head.turn_id = append.writer?.turn_id ?? null;
      }
      changes.segments.push(...segmentsOf(append, head));
      changedHeads.add(head);
      return { kind: 'appended', generation: head.generation, tail: head.tail };
    });

    changes.heads.push(...changedHeads);
    changes.producers.push(...changedProducers);
    if (changes.heads.length) await this.repository.write(tx, changes);
    return {
      outcomes,
      moved: changes.heads.map(({ project_id, path, generation, tail }) => ({ project_id, path, generation, tail })),
    };
  }

  private async loadProducers(
    tx: Transaction,
    appends: LogAppend[],
    heads: Map<string, LogHead>,
  ): Promise<Map<string, ProducerState & { project_id: string }>> {
    const logs = new Map<number, LogHead>();
    for (const append of appends) {
      const head = append.producer && heads.get(keyOf(append));
      if (head) logs.set(head.id, head);
    }
    if (!logs.size) return new Map();
    const states = await this.repository.producers(tx, [...logs.values()]);
    return new Map(
      states.map((state) => [
        producerKey(state.log_id, state.producer_id),
        { ...state, project_id: logs.get(state.log_id)!.project_id },
      ]),
    );
  }
}

/** Undefined when the append may be written. */
function judgeProducer(
  append: LogAppend,
  producer: Producer,
  head: LogHead,
  producers: Map<string, ProducerState>,
): AppendOutcome | undefined {
  const last = producers.get(producerKey(head.id, producer.id));
  const lastSeq = last?.epoch === producer.epoch ? last.seq : -1;
  // Idempotency is judged before the epoch: the retry of an append that was acknowledged once gets its answer again.
  if (producer.seq <= lastSeq) {
    return { kind: 'duplicate', generation: head.generation, tail: head.tail, seq: lastSeq };
  }
  if (head.epoch !== producer.epoch) {
    const session_id = append.path.split('/')[1] ?? append.path;
    return {
      kind: 'refused',
      error: StaleEpoch({ session_id, epoch: producer.epoch, current: head.epoch ?? last?.epoch ?? 0 }),
    };
  }
  if (head.turn_id !== append.turn_id) {
    return { kind: 'refused', error: TurnMismatch({ turn_id: append.turn_id ?? '', current: head.turn_id ?? '' }) };
  }
  if (producer.seq !== lastSeq + 1) {
    return { kind: 'refused', error: ProducerSequenceGap({ expected: lastSeq + 1, received: producer.seq }) };
  }
  return undefined;
}

function advanceProducer(
  producer: Producer,
  head: LogHead,
  producers: Map<string, ProducerState & { project_id: string }>,
): ProducerState & { project_id: string } {
  const key = producerKey(head.id, producer.id);
  const state = producers.get(key) ?? {
    project_id: head.project_id,
    log_id: head.id,
    producer_id: producer.id,
    epoch: 0,
    seq: 0,
  };
  state.epoch = producer.epoch;
  state.seq = producer.seq;
  producers.set(key, state);
  return state;
}

/** A segment is read whole, so a large append becomes several. */
const SEGMENT_BYTES = 1024 * 1024;

const COMMA = Buffer.from(',');

/** The append as the next segments of its log; moves the head's tail. */
function segmentsOf({ messages }: LogAppend, head: LogHead): LogChanges['segments'] {
  const segments: LogChanges['segments'] = [];
  for (let from = 0; from < messages.length;) {
    let upto = from + 1;
    for (let bytes = messages[from]!.length; upto < messages.length; upto++) {
      bytes += messages[upto]!.length;
      if (bytes > SEGMENT_BYTES) break;
    }
    segments.push(segmentOf(messages.slice(from, upto), head));
    from = upto;
  }
  return segments;
}

function segmentOf(messages: Buffer[], head: LogHead): LogChanges['segments'][number] {
  const start = head.tail;
  head.tail += messages.length;
  return {
    project_id: head.project_id,
    log_id: head.id,
    start,
    upto: head.tail,
    lengths: messages.map((message) => message.length),
    body: Buffer.concat(messages.flatMap((message, index) => (index ? [COMMA, message] : [message]))),
  };
}
