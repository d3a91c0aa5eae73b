import type { NativeChange, NativeMark, NativeOrigin, StoredFile } from '@holdfast/harnesses';

/** A version of a conversation as it is stored. */
export interface StoredConversation {
  conversation_id: string;
  branch_id: string;
  version: number;
  native_id: string;
  /** RFC 3339; null where it was never known. */
  started_at: string | null;
  files: NativeMark[];
}

/** What is saved, and on top of what. */
export interface ConversationSave {
  harness: string;
  native_id: string;
  /** Where the files are. */
  origin: NativeOrigin;
  harness_version: string | null;
  /** RFC 3339; null where it is not known. */
  started_at: string | null;
  /** Undefined makes the conversation. */
  base: StoredConversation | undefined;
  point: 'periodic' | 'turn_end' | 'hand_over';
  /** Where the past of a file is another one, the save begins a branch: whether that is the one to go on with. */
  becomes_main: boolean;
}

/** A record that could not be carried over to another harness, wholly or in part. */
export interface NativeOmission {
  record_id: string;
  type: string;
  reason: string;
}

/** What became of a session's records: a conversation of the harness, or a text to go before the next prompt. */
export type NativeConverted = { omitted: NativeOmission[] } & (
  { conversation_id: string; native_id: string } | { resumption_prompt: string }
);

/** The connection broke while content was on its way. */
export class ContentCutOff extends Error {
  override readonly name = 'ContentCutOff';
}

/**
 * The conversations that are stored of one turn's session, under that turn's fence. Every call throws StaleEpoch,
 * ControlPlaneUnavailable or ControlPlaneRefusal, with the codes of the api's operations.
 */
export interface NativeStore {
  /** The newest version of the main branch; undefined when nothing is stored of it. */
  find(harness: string, nativeId: string): Promise<StoredConversation | undefined>;
  /** Its files with their content, to be read in order. Throws ContentCutOff too. */
  content(stored: StoredConversation, signal: AbortSignal): AsyncIterable<StoredFile>;
  /** Makes a version of what is new, wholly or not at all. Repeating it saves it once. Undefined when nothing is new. */
  save(
    save: ConversationSave,
    changes: readonly NativeChange[],
    signal: AbortSignal,
  ): Promise<StoredConversation | undefined>;
  /** Makes a conversation of `harness` from the session's records. */
  convert(harness: string, origin: NativeOrigin): Promise<NativeConverted>;
}
