import { defineError } from '@holdfast/platform-errors';

export const StreamNotFound = defineError<{ path: string }>({
  code: 'stream_not_found',
  kind: 'not-found',
  title: 'Stream not found',
  detail: ({ path }) => `There is no stream "${path}" in this project.`,
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

export const EventTypeReserved = defineError<{ type: string }>({
  code: 'event_type_reserved',
  kind: 'invalid',
  title: 'Event type reserved',
  detail: ({ type }) => `A runner may append events of type "agent.*" only, not "${type}".`,
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
