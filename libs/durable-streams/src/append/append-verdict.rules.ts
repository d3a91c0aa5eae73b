import { StaleEpoch } from '@holdfast/platform-postgres';
import {
  ContentTypeMismatch,
  ProducerEpochMustStart,
  ProducerEpochStale,
  ProducerSequenceGap,
  StreamClosed,
  StreamDeleted,
  StreamNotFound,
  StreamSeqStale,
  TurnMismatch,
} from '../durable-streams.errors.js';
import { isSameContentType, type LogHead, type ProducerState } from '../log-head.js';
import { offsetAt } from '../offsets/log-offset.js';
import type { AppendOutcome, LogAppend } from './log-append.js';

/**
 * The verdict on an append by the log's head and where its producer is; undefined when it may be written. In the order
 * of Durable Streams ("Append to Stream"): existence, idempotency, closure, content type, producer, Stream-Seq.
 */
export function judgeAppend(
  append: LogAppend,
  head: LogHead | undefined,
  last: ProducerState | undefined,
): AppendOutcome | undefined {
  if (!head || head.state === 'expired') return refused(StreamNotFound({ path: append.path }));
  if (head.state === 'deleted') return refused(StreamDeleted({ path: append.path }));
  return (
    judgeRepetition(append, head, last) ??
    judgeClosure(append, head) ??
    judgeContent(append, head) ??
    (append.author ? judgeAuthor(append, head, last) : judgeProducer(append, last)) ??
    judgeSeq(append, head)
  );
}

const refused = (error: ReturnType<typeof StreamNotFound>): AppendOutcome => ({ kind: 'refused', error });

/** Judged first: the retry of an append that was acknowledged once gets its answer again, whatever came after it. */
function judgeRepetition(
  { producer }: LogAppend,
  head: LogHead,
  last: ProducerState | undefined,
): AppendOutcome | undefined {
  if (!producer || last?.epoch !== producer.epoch || producer.seq > last.seq) return undefined;
  return { kind: 'duplicate', head, seq: last.seq };
}

function judgeClosure({ messages, close, producer }: LogAppend, head: LogHead): AppendOutcome | undefined {
  if (!head.closed) return undefined;
  if (close && messages.length === 0 && !producer) return { kind: 'duplicate', head };
  return refused(
    StreamClosed({
      path: head.path,
      next_offset: offsetAt(head, head.tail),
    }),
  );
}

function judgeContent({ messages, content_type }: LogAppend, head: LogHead): AppendOutcome | undefined {
  if (content_type === undefined || messages.length === 0) return undefined;
  if (isSameContentType(content_type, head.content_type)) return undefined;
  return refused(ContentTypeMismatch({ expected: head.content_type, received: content_type }));
}

/** On a reserved log the epoch must equal the fence: a lower and a higher one are refused alike. */
function judgeAuthor(
  { path, author, producer }: LogAppend,
  head: LogHead,
  last: ProducerState | undefined,
): AppendOutcome | undefined {
  if (head.epoch !== author!.epoch) {
    const session_id = path.split('/')[1] ?? path;
    const current = head.epoch ?? last?.epoch ?? 0;
    return refused(StaleEpoch({ session_id, epoch: author!.epoch, current }));
  }
  if (head.turn_id !== author!.turn_id) {
    return refused(TurnMismatch({ turn_id: author!.turn_id, current: head.turn_id ?? '' }));
  }
  const expected = last?.epoch === author!.epoch ? last.seq + 1 : 0;
  return producer && producer.seq !== expected
    ? refused(ProducerSequenceGap({ expected, received: producer.seq }))
    : undefined;
}

/** Durable Streams, "Idempotent Producers". */
function judgeProducer({ producer }: LogAppend, last: ProducerState | undefined): AppendOutcome | undefined {
  if (!producer) return undefined;
  if (last && producer.epoch < last.epoch) {
    return refused(ProducerEpochStale({ epoch: producer.epoch, current: last.epoch }));
  }
  if (last && producer.epoch > last.epoch) {
    return producer.seq === 0
      ? undefined
      : refused(ProducerEpochMustStart({ epoch: producer.epoch, seq: producer.seq }));
  }
  const expected = last ? last.seq + 1 : 0;
  return producer.seq === expected ? undefined : refused(ProducerSequenceGap({ expected, received: producer.seq }));
}

function judgeSeq({ seq }: LogAppend, { last_seq }: LogHead): AppendOutcome | undefined {
  if (seq === undefined || last_seq === null) return undefined;
  if (Buffer.compare(Buffer.from(seq), Buffer.from(last_seq)) > 0) return undefined;
  return refused(StreamSeqStale({ seq, last: last_seq }));
}
