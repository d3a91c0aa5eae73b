import { Injectable } from '@nestjs/common';
import { SessionFences, SessionNotFound, UnitOfWork, type SessionKey } from '@holdfast/platform-postgres';
import { Signals } from '@holdfast/platform-signals';
import {
  DEFAULT_START_WITHIN_MS,
  NotStarted,
  openBell,
  SessionStreamsReader,
  SessionTurnsRepository,
  turnChannel,
  type InvokedTurn,
  type SessionStreamInvoke,
  type SessionStreamInvoked,
  type TurnRow,
} from '@holdfast/sessions-streams';
import { cancelledBecause, EndTurnFlow } from './end-turn.flow.js';

/** How often somebody who waits looks in any case, since a signal is only a hint. */
const RECHECK_MS = 300;

/** Stop reason, or code of the error, of a turn that ended because nobody ran it. */
const NOT_STARTED = 'not_started';

/** The answer to a detached invoke, which is true when it is given. */
@Injectable()
export class AwaitStartFlow {
  constructor(
    private readonly unitOfWork: UnitOfWork,
    private readonly fences: SessionFences,
    private readonly signals: Signals,
    private readonly turns: SessionTurnsRepository,
    private readonly reader: SessionStreamsReader,
    private readonly endTurn: EndTurnFlow,
  ) {}

  /**
   * Waits until somebody runs the turn, the time is over, or `signal` aborts. What nobody runs by then stays in line, or
   * is withdrawn if no runner is faster. Errors: not_started; session_not_found when it was deleted meanwhile.
   */
  async run(
    session: SessionKey,
    invoked: InvokedTurn,
    { start_within_ms = DEFAULT_START_WITHIN_MS, if_not_started = 'keep' }: SessionStreamInvoke,
    signal: AbortSignal,
  ): Promise<SessionStreamInvoked> {
    if (invoked.mode === 'cancel' || invoked.mode === 'attach') return this.reader.fetchInvoked(session, invoked);

    const { turn_id } = invoked;
    let turn = await this.awaitStart(session, turn_id, start_within_ms, signal);
    if (if_not_started === 'withdraw' && isAwaited(turn)) turn = await this.withdraw(session, turn_id);
    const reason = whyNeverStarted(turn);
    if (reason !== undefined) throw NotStarted({ turn_id, reason });
    const answer = await this.reader.fetchInvoked(session, invoked);
    // Its service is being called, and has not accepted: nobody runs it yet.
    return isPush(turn) && answer.status === 'starting' ? { ...answer, status: 'queued' } : answer;
  }

  private async awaitStart(
    session: SessionKey,
    turn_id: string,
    withinMs: number,
    signal: AbortSignal,
  ): Promise<TurnRow> {
    const endsAt = Date.now() + withinMs;
    const bell = await openBell(this.signals, [turnChannel(session)], signal);
    try {
      for (;;) {
        const turn = requireTurn(session, await this.turns.turn(session.project_id, turn_id));
        const waitMs = Math.min(RECHECK_MS, endsAt - Date.now());
        if (!isAwaited(turn) || waitMs <= 0 || signal.aborted) return turn;
        await bell.next(waitMs);
      }
    } finally {
      await bell.close();
    }
  }

  /** Of this and a claim, or the acceptance of a service, one wins. */
  private withdraw(session: SessionKey, turn_id: string): Promise<TurnRow> {
    return this.unitOfWork.run(async (tx) => {
      await this.fences.lock(tx, session);
      const turn = requireTurn(session, await this.turns.lockTurn(tx, { ...session, turn_id }));
      if (!isAwaited(turn)) return turn;
      const end = cancelledBecause(NOT_STARTED);
      if (turn.status === 'inbox') return this.endTurn.waiting(tx, turn, end);
      return turn.status === 'starting' ? this.endTurn.byForce(tx, turn, end) : this.endTurn.within(tx, turn, end);
    });
  }
}

/** A turn goes with its session only. */
function requireTurn({ session_id }: SessionKey, turn: TurnRow | undefined): TurnRow {
  if (!turn) throw SessionNotFound({ session_id });
  return turn;
}

const isPush = ({ push_url }: TurnRow) => push_url !== null;

/**
 * Whether it has still to be run for the first time. A service runs a turn from when it has accepted it, a runner from when
 * it has claimed it, unless it gave it back before it began.
 */
const isAwaited = (turn: TurnRow) =>
  turn.started_at === null &&
  (turn.status === 'inbox' || turn.status === 'queued' || (turn.status === 'starting' && isPush(turn)));

/** Why the turn ended before anybody ran it, if it did so. Whoever ran it may have ended it with the same words. */
function whyNeverStarted(turn: TurnRow): string | undefined {
  if (turn.started_at !== null || (turn.replica_id !== null && !isPush(turn))) return undefined;
  if (turn.status === 'cancelled' && turn.stop_reason === NOT_STARTED) {
    return isPush(turn) ? 'its service did not accept it in time.' : 'nobody took it in time.';
  }
  return turn.status === 'failed' && turn.error?.code === NOT_STARTED ? turn.error.message : undefined;
}
