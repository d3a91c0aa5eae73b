export type { AcpHarness } from './acp-harness.js';
export { agentEnvironment } from './agent-environment.js';
export { HARNESSES, locateHarness, locateProgram, searchFolders } from './locate-harness.js';
export type { HarnessLaunch, SearchPath } from './locate-harness.js';
export { fromEnvelope, toEnvelope } from './native/envelope.js';
export type { EnvelopeFormat, OpenedEnvelope } from './native/envelope.js';
export { NativeCapture } from './native/native-capture.js';
export {
  ConversationLoadFailed,
  NativeError,
  NativeFileChanged,
  NativeFileUnusable,
  NativeIdUnknown,
  TranscriptTooLarge,
  UnsafeNativePath,
} from './native/native-errors.js';
export { NATIVE_HARNESSES, nativeHarness } from './native/native-harnesses.js';
export type {
  LocatedFile,
  NativeApprovals,
  NativeCommand,
  NativeCommandFile,
  NativeCommandRequest,
  NativeConversation,
  NativeHarness,
  NativeOrigin,
  NativePlace,
  RecentConversation,
} from './native/native-harness.js';
export type { NativeChange, NativeChunk, NativeChunkMark, NativeMark, StoredFile } from './native/native-mark.js';
export { chunkFiles } from './native/chunk-files.js';
export { rehydrate } from './native/rehydrate.js';
export type { CrossingRecord } from './crossing/conversation.js';
export { isCrossingHarness, nativeFromRecords } from './crossing/native-from-records.js';
export type { CrossingHarness } from './crossing/native-from-records.js';
export { resumptionPrompt } from './crossing/resumption-prompt.js';
