import { ConversationLoadFailed, NativeError, rehydrate } from '@holdfast/harnesses';
import { untilAvailable } from '../backoff.js';
import { ControlPlaneRefusal, ControlPlaneUnavailable, StaleEpoch } from '../control-plane.js';
import { TurnFailure } from '../turn-failure.js';
import type { NativeHome } from './native-home.js';
import { NativeLook } from './native-look.js';
import { ContentCutOff, type NativeStore, type StoredConversation } from './native-store.js';

/** How often what is stored may have moved on while the home was looked at. */
const maxLooks = 5;

/** A connection that breaks again and again in the middle of content is the content's fault. */
const maxCutOffs = 5;

/**
 * Makes sure that the home has the newest of a conversation before an agent opens it. What the home has more stays there;
 * what it has otherwise is saved as a branch before the stored one takes its place. Returns what is stored; undefined
 * where the home alone has it.
 *
 * Throws TurnFailure: resume_state_missing when neither has anything, harness_mismatch, conversation_load_failed,
 * transcript_too_large.
 */
export async function restoreConversation(
  store: NativeStore,
  home: NativeHome,
  nativeId: string,
  signal: AbortSignal,
): Promise<StoredConversation | undefined> {
  return await typed(async () => {
    for (let looks = 1; ; looks += 1) {
      try {
        return await reconcile(store, home, nativeId, signal);
      } catch (error) {
        // Also where a save was done whose answer got lost.
        const hasMoved = error instanceof ControlPlaneRefusal && error.code === 'version_conflict';
        if (!hasMoved || looks === maxLooks) throw error;
      }
    }
  });
}

async function reconcile(
  store: NativeStore,
  home: NativeHome,
  nativeId: string,
  signal: AbortSignal,
): Promise<StoredConversation | undefined> {
  const { harness, place } = home;
  const stored = await untilAvailable(() => store.find(harness.name, nativeId), signal);
  await home.takeOut(nativeId, signal);
  const isHere = (await harness.locate(place, nativeId)).length > 0;
  if (!isHere && !stored) throw missing(nativeId);
  if (!isHere) return await putBack(store, home, stored!, signal);

  const look = new NativeLook(home, nativeId, stored);
  const changes = await look.changes();
  const isDiverged = changes.some(({ kind }) => kind === 'diverged');
  const lacks = changes.some(({ kind }) => kind === 'behind');
  // What it has more is saved while the turn runs.
  if (!isDiverged && !lacks) {
    await harness.settle?.(place, nativeId);
    return stored;
  }

  const isMainBehind = changes.some(({ kind, name }) => kind === 'behind' && name === harness.mainName(nativeId));
  // Nothing tells of a file that is replaced as a whole which one is newer, but the lines beside it.
  const news = changes.filter(({ kind }) => kind !== 'replace' || !isMainBehind);
  const save = await look.save({ point: 'periodic', becomes_main: false });
  const saved = await untilAvailable(() => store.save(save, news, signal), signal);
  return await putBack(store, home, isDiverged || !saved ? stored! : saved, signal);
}

/** Writes a stored conversation into the home, over what is there. Throws what `restoreConversation` throws. */
export async function putBack(
  store: NativeStore,
  home: NativeHome,
  stored: StoredConversation,
  signal: AbortSignal,
): Promise<StoredConversation> {
  return await typed(async () => {
    const { harness, place } = home;
    let cutOffs = 0;
    await untilAvailable(async () => {
      try {
        await rehydrate(harness, place, stored, store.content(stored, signal));
        await harness.settle?.(place, stored.native_id);
      } catch (error) {
        if (!(error instanceof ContentCutOff)) throw error;
        cutOffs += 1;
        if (cutOffs === maxCutOffs) throw new ConversationLoadFailed(error.message);
        throw new ControlPlaneUnavailable(error.message);
      }
    }, signal);
    await home.putIn(stored.native_id, signal);
    return stored;
  });
}

function missing(nativeId: string): TurnFailure {
  return new TurnFailure(
    'resume_state_missing',
    `Nothing is saved of the session's conversation ${nativeId}, and this machine does not have it. Start afresh, or run the turn where the last one ran.`,
  );
}

/** Gives a failure to get at the conversation the code that the turn ends with. */
export async function typed<T>(attempt: () => Promise<T>): Promise<T> {
  try {
    return await attempt();
  } catch (error) {
    if (error instanceof TurnFailure || error instanceof StaleEpoch) throw error;
    throw failureOf(error as Error);
  }
}

function failureOf(error: Error): TurnFailure {
  const message = error instanceof ControlPlaneRefusal ? error.detail : error.message;
  const isTyped = error instanceof ControlPlaneRefusal || error instanceof NativeError;
  switch (isTyped ? error.code : undefined) {
    case 'resume_state_missing':
      return new TurnFailure('resume_state_missing', message);
    case 'harness_mismatch':
      return new TurnFailure('harness_mismatch', message);
    case 'transcript_too_large':
      return new TurnFailure('transcript_too_large', message);
    default:
      return new TurnFailure('conversation_load_failed', message);
  }
}
