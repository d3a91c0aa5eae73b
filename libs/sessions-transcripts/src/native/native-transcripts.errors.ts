import { defineError } from '@holdfast/platform-errors';

const MIB = 1024 * 1024;

/** Nothing is stored of what was asked for; a harness could only start anew. `reason` is sentences. */
export const ResumeStateMissing = defineError<{ reason: string } | void>({
  code: 'resume_state_missing',
  kind: 'not-found',
  title: 'Resume state missing',
  detail: (facts) =>
    facts?.reason ?? 'No native transcript of this project fits. Nothing was saved yet, or it has another name.',
});

export const HarnessMismatch = defineError<{ asked: string; stored: string }>({
  code: 'harness_mismatch',
  kind: 'conflict',
  title: 'Harness mismatch',
  detail: ({ asked, stored }) =>
    `The conversation is one of "${stored}", which "${asked}" cannot read. Go on with "${stored}", or convert it.`,
  members: ({ asked, stored }) => ({ asked_harness: asked, stored_harness: stored }),
});

/** `reason` is a sentence. */
export const ConversationLoadFailed = defineError<{ reason: string }>({
  code: 'conversation_load_failed',
  kind: 'unprocessable',
  title: 'Conversation cannot be loaded',
  detail: ({ reason }) => reason,
});

/** `what` says whose limit it is. */
export const TranscriptTooLarge = defineError<{ what: string; limit_bytes: number }>({
  code: 'transcript_too_large',
  kind: 'too-large',
  title: 'Transcript too large',
  detail: ({ what, limit_bytes }) => `${what} may have ${Math.floor(limit_bytes / MIB)} MiB.`,
  members: ({ limit_bytes }) => ({ limit_bytes }),
});

/** Many small saves make a conversation too costly to read long before they make it large. */
export const TranscriptTooManyParts = defineError<{ limit: number }>({
  code: 'transcript_too_many_parts',
  kind: 'too-large',
  title: 'Transcript in too many parts',
  detail: ({ limit }) => `A conversation may be made of ${limit} parts. Save less often, or begin a new conversation.`,
  members: ({ limit }) => ({ limit }),
});

/** `current_version` is null when there is no such conversation. */
export const VersionConflict = defineError<{ current_version: number | null }>({
  code: 'version_conflict',
  kind: 'precondition-failed',
  title: 'Version conflict',
  detail: ({ current_version }) =>
    current_version === null
      ? 'There is no such conversation or branch. Create it with "If-None-Match: *".'
      : `Its newest version is ${current_version}. Read what it has, and save what it lacks on top of it.`,
  members: ({ current_version }) => ({ current_version }),
});

export const PreconditionRequired = defineError({
  code: 'precondition_required',
  kind: 'precondition-required',
  title: 'Precondition required',
  detail: () =>
    'Send If-Match: "<version>" to continue the newest version of a branch, or If-None-Match: * to make the conversation.',
});

export const PreconditionMalformed = defineError({
  code: 'precondition_malformed',
  kind: 'invalid',
  title: 'Malformed precondition',
  detail: () => 'If-Match takes one version in quotes, as an ETag gave it; If-None-Match takes *. Send one of them.',
});

/** One of another writer, too: nobody learns of it. */
export const NativeSaveNotFound = defineError<{ save_id: string }>({
  code: 'native_save_not_found',
  kind: 'not-found',
  title: 'Save not found',
  detail: ({ save_id }) =>
    `There is no save "${save_id}" of yours. It was given up a day after it was last used, or never was.`,
});

/** `reason` is a sentence. */
export const NativePartRefused = defineError<{ name: string; reason: string }>({
  code: 'native_part_refused',
  kind: 'unprocessable',
  title: 'Part refused',
  detail: ({ name, reason }) => `"${name}": ${reason}`,
  members: ({ name }) => ({ file: name }),
});

/** `reason` is a sentence. */
export const NativeSaveIncomplete = defineError<{ name: string; reason: string }>({
  code: 'native_save_incomplete',
  kind: 'unprocessable',
  title: 'Save incomplete',
  detail: ({ name, reason }) => `"${name}": ${reason} Nothing of the save is visible.`,
  members: ({ name }) => ({ file: name }),
});

/** Each holds some of what it sends in memory. */
export const TooManyDownloads = defineError<{ limit: number }>({
  code: 'too_many_downloads',
  kind: 'rate-limited',
  title: 'Too many downloads',
  detail: ({ limit }) => `${limit} native transcripts are being read from this process already. Retry after a moment.`,
  members: ({ limit }) => ({ limit, retry_after_seconds: 2 }),
});

/** `reason` is a sentence. */
export const EnvelopeInvalid = defineError<{ reason: string }>({
  code: 'envelope_invalid',
  kind: 'unprocessable',
  title: 'Invalid envelope',
  detail: ({ reason }) => reason,
});

export const TranscriptBehind = defineError<{ session_id: string }>({
  code: 'transcript_behind',
  kind: 'unavailable',
  title: 'Transcript behind',
  detail: ({ session_id }) => `The records of session "${session_id}" do not reach the end of its log yet. Try again.`,
  members: () => ({ retry_after_seconds: 1 }),
});
