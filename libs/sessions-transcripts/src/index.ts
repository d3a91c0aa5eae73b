export { SessionRecord } from './dto/session-record.dto.js';
export type { SessionRecordType } from './dto/session-record.dto.js';
export { SessionTranscriptPage } from './dto/session-transcript-page.dto.js';
export { SessionTranscriptQuery } from './dto/session-transcript-query.dto.js';
export {
  SessionNativeBranch,
  SessionNativeConversation,
  SessionNativeConversationPage,
  SessionNativeConversationQuery,
  SessionNativeVersion,
  SessionNativeVersionPage,
  SessionNativeVersionQuery,
} from './native/dto/session-native-conversation.dto.js';
export {
  SessionNativeConvert,
  SessionNativeConverted,
  SessionNativeOmission,
} from './native/dto/session-native-convert.dto.js';
export { SessionNativeEnvelopeSet } from './native/dto/session-native-envelope.dto.js';
export {
  SessionNativeChunk,
  SessionNativeFile,
  SessionNativeFileState,
  SessionNativeOrigin,
} from './native/dto/session-native-file.dto.js';
export {
  SessionNativeContentSelector,
  SessionNativeManifest,
  SessionNativeSelector,
} from './native/dto/session-native-manifest.dto.js';
export {
  SessionNativePart,
  SessionNativeSave,
  SessionNativeSaveFinish,
  SessionNativeSaveOpen,
  SessionNativeSavePath,
} from './native/dto/session-native-save.dto.js';
export { NativeContent } from './native/native-content.js';
export type { NativeDownload } from './native/native-content.js';
export { differenceOf } from './native/native-difference.js';
export type { FileAtHand } from './native/native-difference.js';
export { isFileName } from './native/native-names.rules.js';
export type { SavePoint } from './native/native-names.rules.js';
export { parseNativePrecondition } from './native/native-precondition.rules.js';
export type { NativePrecondition } from './native/native-precondition.rules.js';
export { NativeSavesService } from './native/native-saves.service.js';
export type { Admission } from './native/native-saves.service.js';
export { NativeSweeper } from './native/native-sweeper.service.js';
export {
  DEFAULT_NATIVE_TRANSCRIPTS_CONFIG,
  MAX_ENVELOPE_BYTES,
  MAX_PART_BYTES,
  NativeTranscriptsConfig,
} from './native/native-transcripts.config.js';
export {
  ConversationLoadFailed,
  EnvelopeInvalid,
  HarnessMismatch,
  NativePartRefused,
  NativeSaveIncomplete,
  NativeSaveNotFound,
  PreconditionMalformed,
  PreconditionRequired,
  ResumeStateMissing,
  TooManyDownloads,
  TranscriptBehind,
  TranscriptTooLarge,
  TranscriptTooManyParts,
  VersionConflict,
} from './native/native-transcripts.errors.js';
export { NativeTranscriptsReader } from './native/native-transcripts.reader.js';
export type { NativeReader } from './native/native-transcripts.reader.js';
export type { NativeWriter } from './native/native-writer.js';
export { hasPushed, newestConversation } from './native/newest-conversation.js';
export type { NewestConversation } from './native/newest-conversation.js';
export { sessionsTranscriptsPersistence } from './persistence.js';
export { EventSource } from './ports/event-source.port.js';
export type { EventBatch } from './ports/event-source.port.js';
export { LogTail } from './ports/log-tail.port.js';
export type { SessionLogTail } from './ports/log-tail.port.js';
export { ProjectionProgress } from './ports/projection-progress.port.js';
export type { PositionedEvent } from './projection/session-event.rules.js';
export { readRedactionRules } from './redaction/own-redaction-rules.js';
export type { RedactionRule } from './redaction/redaction-rule.js';
export { TranscriptCursorGone } from './sessions-transcripts.errors.js';
export {
  ProjectSessionTranscript,
  RemoveNativeConversations,
  RemoveSessionRecords,
  sessionsTranscriptsJobs,
} from './sessions-transcripts.jobs.js';
export { SessionsTranscriptsModule } from './sessions-transcripts.module.js';
export type { TranscriptPorts } from './sessions-transcripts.module.js';
export { SessionsTranscriptsReader } from './sessions-transcripts.reader.js';
export { TranscriptProjector } from './transcript-projector.service.js';
export type { ProjectionStep } from './transcript-projector.service.js';
export { TranscriptRemoval } from './transcript-removal.service.js';
