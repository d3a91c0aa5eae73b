import type { HoldfastClient } from '@holdfast/client';
import type { NativeChange, NativeOrigin, StoredFile } from '@holdfast/harnesses';
import { ControlPlaneRefusal, ControlPlaneUnavailable, type TurnKey } from '../control-plane.js';
import {
  ContentCutOff,
  type ConversationSave,
  type NativeConverted,
  type NativeStore,
  type StoredConversation,
} from './native-store.js';

/** Of a whole save, which may have hundreds of MiB. */
const saveTimeoutMs = 600_000;
/** The api waits until the records have caught up with the log. */
const convertTimeoutMs = 60_000;
/** How long content may stop coming. */
const silenceMs = 30_000;

/** Gives a call a deadline, and its failure the meaning it has for the runner. */
export type Call = <Answer>(
  send: (init: { signal: AbortSignal }) => Promise<Answer>,
  limits?: { timeoutMs: number; signal?: AbortSignal },
) => Promise<Answer>;

/** The api's native transcripts under a turn's credential. */
export class HttpNativeStore implements NativeStore {
  constructor(
    private readonly turn: TurnKey,
    private readonly client: () => HoldfastClient,
    private readonly call: Call,
  ) {}

  async find(harness: string, native_id: string): Promise<StoredConversation | undefined> {
    const { session_id } = this.turn;
    try {
      const manifest = await this.call((init) =>
        this.client().nativeTranscripts.fetchSessionNativeManifest({ session_id, harness, native_id }, init),
      );
      const { conversation_id, version, branch_id } = manifest.version;
      const started_at = manifest.conversation.started_at?.toISOString() ?? null;
      return { conversation_id, branch_id, version, native_id, started_at, files: manifest.files };
    } catch (error) {
      if (error instanceof ControlPlaneRefusal && error.code === 'resume_state_missing') return undefined;
      throw error;
    }
  }

  async *content(
    { conversation_id, branch_id, version }: StoredConversation,
    signal: AbortSignal,
  ): AsyncGenerator<StoredFile> {
    const silence = new AbortController();
    const anySignal = AbortSignal.any([signal, silence.signal]);
    const { files } = await this.call((init) => {
      // The call's deadline is for the beginning only.
      init.signal.addEventListener('abort', () => silence.abort(init.signal.reason), { once: true });
      return this.client().readNativeFiles({ conversation_id, branch_id, version }, { signal: anySignal });
    });
    try {
      for await (const { mark, data } of files) yield { mark, data: heard(data, silence) };
    } catch (error) {
      throw signal.aborted ? signal.reason : new ContentCutOff((error as Error).message);
    }
  }

  async save(
    { point, base, ...save }: ConversationSave,
    changes: readonly NativeChange[],
    signal: AbortSignal,
  ): Promise<StoredConversation | undefined> {
    const { session_id, turn_id, epoch } = this.turn;
    const saved = await this.call(
      (init) =>
        this.client().saveNative(
          { ...save, session_id, turn: { turn_id, epoch }, save_point: point, base: base ?? null },
          changes,
          init,
        ),
      { timeoutMs: saveTimeoutMs, signal },
    );
    return saved && { ...saved.base, native_id: save.native_id, started_at: save.started_at };
  }

  async convert(harness: string, origin: NativeOrigin): Promise<NativeConverted> {
    const { session_id, turn_id, epoch } = this.turn;
    const convert = { session_id, turn_id, epoch, harness, origin };
    const { conversation_id, native_id, resumption_prompt, omitted } = await this.call(
      (init) =>
        this.client().nativeTranscripts.convertSessionNativeConversation({ SessionNativeConvert: convert }, init),
      { timeoutMs: convertTimeoutMs },
    );
    if (conversation_id !== null && native_id !== null) return { conversation_id, native_id, omitted };
    if (resumption_prompt !== null) return { resumption_prompt, omitted };
    throw new ControlPlaneUnavailable('The api made nothing of the records.');
  }
}

/** Aborts `silence` when nothing comes for too long. */
async function* heard(data: AsyncIterable<Uint8Array>, silence: AbortController): AsyncGenerator<Buffer> {
  const giveUp = () => silence.abort(new Error(`Nothing came for ${silenceMs / 1_000} s.`));
  let timer = setTimeout(giveUp, silenceMs);
  try {
    for await (const part of data) {
      clearTimeout(timer);
      yield Buffer.from(part.buffer, part.byteOffset, part.byteLength);
      timer = setTimeout(giveUp, silenceMs);
    }
  } finally {
    clearTimeout(timer);
  }
}
