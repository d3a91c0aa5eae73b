import { defineError } from '@holdfast/platform-errors';

export const StreamNotFound = defineError<{ path: string }>({
  code: 'stream_not_found',
  kind: 'not-found',
  title: 'Stream not found',
  detail: ({ path }) => `There is no stream "${path.slice(0, 256)}" in this project.`,
});

export const StreamDeleted = defineError<{ path: string }>({
  code: 'stream_deleted',
  kind: 'gone',
  title: 'Stream deleted',
  detail: ({ path }) => `Stream "${path}" was deleted. Its name is free again once the last fork of it is deleted.`,
});

export const StreamPathBlocked = defineError<{ path: string }>({
  code: 'stream_path_blocked',
  kind: 'conflict',
  title: 'Stream path blocked',
  detail: ({ path }) => `Stream "${path}" was deleted, but forks still read from it. Delete them first.`,
});

export const StreamExists = defineError<{ path: string; difference: string }>({
  code: 'stream_exists',
  kind: 'conflict',
  title: 'Stream exists',
  detail: ({ path, difference }) => `Stream "${path}" exists with another ${difference}.`,
  members: ({ difference }) => ({ difference }),
});

export const StreamPathInvalid = defineError<{ reason: string }>({
  code: 'stream_path_invalid',
  kind: 'invalid',
  title: 'Stream path invalid',
  detail: ({ reason }) => reason,
});

export const StreamCreateInvalid = defineError<{ reason: string }>({
  code: 'stream_create_invalid',
  kind: 'invalid',
  title: 'Stream settings invalid',
  detail: ({ reason }) => reason,
});

export const StreamReserved = defineError<{ path: string }>({
  code: 'stream_reserved',
  kind: 'forbidden',
  title: 'Stream reserved',
  detail: ({ path }) =>
    `"${path}" belongs to a session or a runner: it is made, written, forked and deleted by their own operations only.`,
});

export const StreamClosed = defineError<{ path: string; next_offset: string }>({
  code: 'stream_closed',
  kind: 'conflict',
  title: 'Stream closed',
  detail: ({ path }) => `Stream "${path}" is closed: it can be read, and nothing can be appended.`,
  members: ({ next_offset }) => ({ next_offset }),
});

export const ContentTypeMismatch = defineError<{ expected: string; received: string }>({
  code: 'content_type_mismatch',
  kind: 'conflict',
  title: 'Content type mismatch',
  detail: ({ expected, received }) => `The stream holds ${expected}, not "${received.slice(0, 128)}".`,
  members: ({ expected }) => ({ expected }),
});

export const StreamSeqStale = defineError<{ seq: string; last: string }>({
  code: 'stream_seq_stale',
  kind: 'conflict',
  title: 'Stream sequence stale',
  detail: ({ seq, last }) => `Stream-Seq "${seq}" is not greater than the last one, "${last}".`,
  members: ({ last }) => ({ last_seq: last }),
});

export const OffsetMalformed = defineError<{ offset: string }>({
  code: 'offset_malformed',
  kind: 'invalid',
  title: 'Offset malformed',
  detail: ({ offset }) =>
    `"${offset.slice(0, 64)}" is not an offset. Use -1, now, or an offset that this server gave you.`,
});

export const OffsetBeyondTail = defineError<{ offset: string }>({
  code: 'offset_beyond_tail',
  kind: 'invalid',
  title: 'Offset beyond the tail',
  detail: ({ offset }) => `Offset ${offset} lies beyond the end of the stream.`,
});

export const OffsetGone = defineError<{ offset: string; earliest: string }>({
  code: 'offset_gone',
  kind: 'gone',
  title: 'Offset gone',
  detail: ({ offset, earliest }) => `Offset ${offset} can no longer be read. The earliest that can is ${earliest}.`,
  members: ({ earliest }) => ({ earliest_offset: earliest }),
});

export const AppendMalformed = defineError<{ reason: string }>({
  code: 'append_malformed',
  kind: 'invalid',
  title: 'Append malformed',
  detail: ({ reason }) => reason,
});

export const MessageTooLarge = defineError<{ bytes: number; limit: number }>({
  code: 'message_too_large',
  kind: 'too-large',
  title: 'Message too large',
  detail: ({ bytes, limit }) => `A message of ${bytes} bytes is over the limit of ${limit}.`,
  members: ({ limit }) => ({ limit_bytes: limit }),
});

export const TurnMismatch = defineError<{ turn_id: string; current: string }>({
  code: 'turn_mismatch',
  kind: 'invalid',
  title: 'Turn mismatch',
  detail: ({ turn_id, current }) => `The epoch belongs to turn "${current}"; events of turn "${turn_id}" are refused.`,
});

export const LiveModeUnknown = defineError<{ live: string }>({
  code: 'live_mode_unknown',
  kind: 'invalid',
  title: 'Live mode unknown',
  detail: ({ live }) => `"${live.slice(0, 64)}" is no way to follow a stream. Use sse or long-poll, or leave it out.`,
});

export const LiveOffsetMissing = defineError({
  code: 'live_offset_missing',
  kind: 'invalid',
  title: 'Live offset missing',
  detail: () => 'To follow a stream, say from where: offset=-1 (start), now (tail), or an offset of an earlier answer.',
});

export const ProducerEpochStale = defineError<{ epoch: number; current: number }>({
  code: 'producer_epoch_stale',
  kind: 'forbidden',
  title: 'Producer epoch stale',
  detail: ({ epoch, current }) => `Producer-Epoch ${epoch} was replaced by ${current}: another producer took over.`,
  members: ({ current }) => ({ current_epoch: current }),
});

export const ProducerEpochMustStart = defineError<{ epoch: number; seq: number }>({
  code: 'producer_epoch_must_start_at_zero',
  kind: 'invalid',
  title: 'Producer epoch must start at zero',
  detail: ({ epoch, seq }) => `A new Producer-Epoch (${epoch}) starts with Producer-Seq 0, not ${seq}.`,
});

export const ProducerSequenceGap = defineError<{ expected: number; received: number }>({
  code: 'producer_sequence_gap',
  kind: 'conflict',
  title: 'Producer sequence gap',
  detail: ({ expected, received }) => `Expected Producer-Seq ${expected}, received ${received}.`,
  members: ({ expected, received }) => ({ expected_seq: expected, received_seq: received }),
});

export const LogUnavailable = defineError({
  code: 'log_unavailable',
  kind: 'unavailable',
  title: 'Log unavailable',
  detail: () => 'The log could not be written. Retry with the same producer headers: nothing is doubled.',
});

export const AppendBacklogFull = defineError<{ limit: number }>({
  code: 'append_backlog_full',
  kind: 'rate-limited',
  title: 'Append backlog full',
  detail: ({ limit }) => `More than ${limit} bytes wait to be committed. Retry after a moment.`,
  members: ({ limit }) => ({ limit_bytes: limit }),
});

export const TooManyViewers = defineError<{ limit: number }>({
  code: 'too_many_viewers',
  kind: 'unavailable',
  title: 'Too many viewers',
  detail: ({ limit }) => `This process serves ${limit} viewers already. Retry after a moment, with the same offset.`,
  members: ({ limit }) => ({ limit }),
});
