import type { SessionTurnGrant } from '@holdfast/client';
import type { NativePlace } from '@holdfast/harnesses';
import type { Logger } from 'pino';
import type { Workplace } from '../agent-process.js';
import { untilAvailable } from '../backoff.js';
import type { PreparedAgent } from '../driven-agent.js';
import type { EventWriter } from '../event-writer.js';
import type { TurnSurroundings } from '../turn-surroundings.js';
import { ConversationCapture } from './native-capture.js';
import { NativeHome, unknownOrigin } from './native-home.js';
import { putBack, restoreConversation, typed } from './native-resume.js';
import type { ConversationSave, NativeOmission, NativeStore, StoredConversation } from './native-store.js';

/** A notice lists this many records that could not be carried over; the others are counted. */
const maxOmissionsTold = 100;

/** The turn that it is of. */
export interface HistoryTerms {
  grant: SessionTurnGrant;
  around: TurnSurroundings;
  writer: EventWriter;
  /** Aborts when the turn is not this runner's any more. */
  lost: AbortSignal;
  log: Logger;
}

/** What an agent is to know when it begins. */
export interface History {
  /** The conversation to go on with; null to begin one. */
  sessionId: string | null;
  /** Comes before the prompt; empty unless the agent cannot be given the conversation otherwise. */
  preamble: string;
}

/** What the session's agents said before this turn, and say in it: brought to this machine, and saved from it. */
export class TurnHistory {
  private stored: StoredConversation | undefined;

  private constructor(
    private readonly grant: SessionTurnGrant,
    private readonly store: NativeStore,
    /** Undefined for a harness whose files nobody knows. */
    private readonly home: NativeHome | undefined,
    private readonly place: NativePlace,
    private readonly writer: EventWriter,
    private readonly capture: ConversationCapture | undefined,
  ) {}

  static of(
    { grant, around, writer, lost, log }: HistoryTerms,
    prepared: PreparedAgent,
    { cwd, mark }: Workplace,
  ): TurnHistory {
    const place = { env: prepared.environment, cwd, exchange: around.folders.exchangeOf(grant.session_id) };
    const home = NativeHome.of(grant.harness, place, prepared, { ...around, mark });
    const store = around.plane.native({ session_id: grant.session_id, turn_id: grant.turn_id, epoch: grant.epoch });
    const { captureEveryMs } = around.timings;
    const capture = home && new ConversationCapture(store, home, captureEveryMs, writer, lost, log);
    return new TurnHistory(grant, store, home, place, writer, capture);
  }

  /**
   * Makes ready what the agent goes on with; a session that has a past never begins without it. Throws TurnFailure:
   * resume_state_missing, harness_mismatch, conversation_load_failed, transcript_too_large.
   */
  async bring(signal: AbortSignal): Promise<History> {
    const { resume_conversation, resume_agent_session_id: sessionId } = this.grant;
    if (sessionId !== null) {
      if (this.home?.harness.isNativeId(sessionId))
        this.stored = await restoreConversation(this.store, this.home, sessionId, signal);
      return { sessionId, preamble: '' };
    }
    if (!resume_conversation) return { sessionId: null, preamble: '' };
    return await typed(() => this.convert(signal));
  }

  /** The agent has told its id of the conversation. */
  follow(sessionId: string): void {
    this.capture?.follow(sessionId, this.stored?.native_id === sessionId ? this.stored : undefined);
  }

  /** Saves what the turn added, once its agent is gone, for `limitMs` at most. */
  async end(point: ConversationSave['point'], limitMs: number): Promise<void> {
    await this.capture?.end(point, limitMs);
  }

  private async convert(signal: AbortSignal): Promise<History> {
    const { harness } = this.grant;
    const origin = this.home ? await this.home.harness.origin(this.place) : unknownOrigin(this.place);
    const converted = await untilAvailable(() => this.store.convert(harness, origin), signal);
    this.tellOmissions(converted.omitted);
    if ('resumption_prompt' in converted) return { sessionId: null, preamble: converted.resumption_prompt };

    const { native_id: sessionId } = converted;
    const stored = await untilAvailable(() => this.store.find(harness, sessionId), signal);
    if (!this.home || !stored) throw new Error('The conversation that was made of the records cannot be used here.');
    this.stored = await putBack(this.store, this.home, stored, signal);
    return { sessionId, preamble: '' };
  }

  private tellOmissions(omissions: NativeOmission[]): void {
    const { resume_conversation, harness } = this.grant;
    const records = omissions.length === 1 ? 'record' : 'records';
    const lost = omissions.length === 0 ? '' : ` ${omissions.length} ${records} could not be carried over whole.`;
    const message = `The conversation was carried over from ${resume_conversation!.harness} to ${harness}.${lost}`;
    const omitted = omissions.slice(0, maxOmissionsTold);
    this.writer.write('agent.notice', { code: 'conversation_converted', message, omitted });
  }
}
