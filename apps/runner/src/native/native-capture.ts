import { NativeError, NativeFileChanged } from '@holdfast/harnesses';
import type { Logger } from 'pino';
import { pause, untilAvailable } from '../backoff.js';
import { ControlPlaneRefusal, StaleEpoch } from '../control-plane.js';
import type { EventWriter } from '../event-writer.js';
import { storableStart } from '../storable.js';
import type { NativeHome } from './native-home.js';
import { NativeLook } from './native-look.js';
import type { ConversationSave, NativeStore, StoredConversation } from './native-store.js';

type SavePoint = ConversationSave['point'];

/** How often it is tried to read a conversation that is being written, or to catch up with what was stored meanwhile. */
const maxLooks = 5;
const lookAgainMs = 50;

/** Saves what an agent's harness writes of one turn's conversation: now and then while the turn runs, and at its end. */
export class ConversationCapture {
  private look: NativeLook | undefined;
  private isRefused = false;
  private rounds: Promise<void> = Promise.resolve();
  private readonly ending = new AbortController();
  private readonly overdue = new AbortController();
  private readonly signal: AbortSignal;

  constructor(
    private readonly store: NativeStore,
    private readonly home: NativeHome,
    /** Between two looks while the turn runs. */
    private readonly everyMs: number,
    private readonly writer: EventWriter,
    lost: AbortSignal,
    private readonly log: Logger,
  ) {
    this.signal = AbortSignal.any([lost, this.overdue.signal]);
  }

  /** The agent goes on with this conversation, of which that is stored; told once. */
  follow(nativeId: string, stored: StoredConversation | undefined): void {
    if (this.look || !this.home.harness.isNativeId(nativeId)) return;
    this.look = new NativeLook(this.home, nativeId, stored);
    // Taking a conversation out of a store of its own means running the program, beside the one that works.
    if (!this.home.harness.exchange) this.rounds = this.repeat();
  }

  /**
   * Saves what is left, for `limitMs` at most, the api being away included. Resolves also where that was not possible; the
   * log of the session says so.
   */
  async end(point: SavePoint, limitMs: number): Promise<void> {
    this.ending.abort();
    const tooLate = new Error(`It took more than ${limitMs / 1_000} s.`);
    const timer = setTimeout(() => this.overdue.abort(tooLate), limitMs);
    await this.rounds;
    await this.save(point);
    clearTimeout(timer);
  }

  private async repeat(): Promise<void> {
    while (!this.ending.signal.aborted && !this.signal.aborted && !this.isRefused) {
      await this.save('periodic');
      await pause(this.everyMs, this.ending.signal);
    }
  }

  private async save(point: SavePoint): Promise<void> {
    if (!this.look || this.isRefused || this.signal.aborted) return;
    try {
      if (!(await this.home.takeOut(this.look.nativeId, this.signal))) throw new Error('Its program does not have it.');
      await this.saveNews(point);
    } catch (error) {
      if (error instanceof StaleEpoch || this.signal.reason instanceof StaleEpoch) return;
      // The next round is as good as this one.
      if (error instanceof NativeFileChanged && point === 'periodic') return;
      this.giveUp(error as Error);
    }
  }

  private async saveNews(point: SavePoint): Promise<void> {
    for (let looks = 1; ; looks += 1) {
      try {
        return await this.saveOnce(point);
      } catch (error) {
        const isBehind = error instanceof ControlPlaneRefusal && error.code === 'version_conflict';
        if ((!isBehind && !(error instanceof NativeFileChanged)) || looks === maxLooks) throw error;
        if (isBehind) await this.lookAnew();
        await pause(lookAgainMs, this.signal);
      }
    }
  }

  private async saveOnce(point: SavePoint): Promise<void> {
    const changes = await this.look!.changes();
    if (!changes.some(({ kind }) => kind !== 'behind')) return;
    // What the agent of a live turn makes of its own past is what the next turn is to know.
    const save = await this.look!.save({ point, becomes_main: true });
    const saved = await untilAvailable(() => this.store.save(save, changes, this.signal), this.signal);
    if (saved) this.look!.saved(saved);
    this.log.debug({ version: saved?.version, point }, 'conversation saved');
  }

  private async lookAnew(): Promise<void> {
    const { nativeId } = this.look!;
    const find = () => this.store.find(this.home.harness.name, nativeId);
    this.look = new NativeLook(this.home, nativeId, await untilAvailable(find, this.signal));
  }

  private giveUp(error: Error): void {
    this.isRefused = true;
    const isTold = error instanceof ControlPlaneRefusal || error instanceof NativeError;
    const reason = isTold ? error.code : 'conversation_unreadable';
    const message = storableStart(
      `The conversation was not saved from here on, so another machine cannot go on with it: ${error.message}`,
      4_000,
    );
    this.writer.write('agent.notice', { code: 'conversation_not_saved', message, reason });
    this.log.warn({ err: error }, 'the conversation could not be saved');
  }
}
