const MIB = 1024 * 1024;

/** Limits of native transcripts. */
export abstract class NativeTranscriptsConfig {
  /** How large the files of one conversation may be, all together. */
  abstract readonly maxConversationBytes: number;
}

export const DEFAULT_NATIVE_TRANSCRIPTS_CONFIG: NativeTranscriptsConfig = { maxConversationBytes: 512 * MIB };

/** Largest part of a save, and so the largest blob: what is kept in memory of one at a time. */
export const MAX_PART_BYTES = 16 * MIB;

/** Largest envelope that is taken in. Unlike a save it is read as a whole. */
export const MAX_ENVELOPE_BYTES = 32 * MIB;

/** Parts that a branch of a conversation may be made of. */
export const MAX_PARTS = 50_000;

/** Branches of a conversation: they are told all at once. */
export const MAX_BRANCHES = 1_000;
