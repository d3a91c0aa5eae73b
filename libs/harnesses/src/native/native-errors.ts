/** What goes wrong with native transcripts; `code` is stable. */
export abstract class NativeError extends Error {
  abstract readonly code: string;
  override get name(): string {
    return this.constructor.name;
  }
}

/** The stored content is damaged, or is not what its format says. */
export class ConversationLoadFailed extends NativeError {
  readonly code = 'conversation_load_failed';
}

/** One line is longer than LINE_BYTES. */
export class TranscriptTooLarge extends NativeError {
  readonly code = 'transcript_too_large';
}

/** A name or a path that would lead out of the harness's folder, or that the harness has no place for. */
export class UnsafeNativePath extends NativeError {
  readonly code = 'unsafe_native_path';
}

/** The home keeps the conversation in a form that cannot be used as it is; the message says what to do. */
export class NativeFileUnusable extends NativeError {
  readonly code = 'native_file_unusable';
}

/** A file was replaced while it was read: look again. */
export class NativeFileChanged extends NativeError {
  readonly code = 'native_file_changed';
}

/** The harness chooses its own session id, and it is not known. */
export class NativeIdUnknown extends NativeError {
  readonly code = 'native_id_unknown';
}
