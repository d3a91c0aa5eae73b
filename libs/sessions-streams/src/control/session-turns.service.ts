import { Injectable } from '@nestjs/common';
import { v7 as uuidv7 } from 'uuid';
import { Signals } from '@holdfast/platform-signals';
import {
  SessionFences,
  StaleEpoch,
  type SessionKey,
  type Transaction,
  type TurnFence,
} from '@holdfast/platform-postgres';
import { SessionLogService } from '../log/session-log.service.js';
import { NoLiveTurn, SessionInUse, TurnNotFound, TurnNotLive } from '../sessions-streams.errors.js';
import { StreamsConfig } from '../streams.config.js';
import { afterLostOwner, isLive, transition } from './session-turn.rules.js';
import { SessionTurnsRepository, type TurnEnd, type TurnRow } from './session-turns.repository.js';
import { queueChannel } from './turn-queue.channel.js';

/** What a new turn runs: pinned where the turn is made. */
export interface TurnStart extends SessionKey {
  prompt: string;
  pool: string;
  agent_name: string;
  agent_revision: number;
  harness: string;
  created_by_id: string;
}

/**
 * The life of turns. Every method runs in the caller's transaction, which holds the session's fence; the flows in
 * libs/sessions open it, because starting and ending a turn changes other domains too.
 */
@Injectable()
export class SessionTurnsService {
  constructor(
    private readonly turns: SessionTurnsRepository,
    private readonly fences: SessionFences,
    private readonly log: SessionLogService,
    private readonly signals: Signals,
    private readonly config: StreamsConfig,
  ) {}

  /** Makes the stream and the log of a new session. */
  async openStream(tx: Transaction, session: SessionKey, generation: number, name: string | null): Promise<void> {
    await this.turns.createStream(tx, session);
    await this.log.createSessionLog(tx, session, generation);
    this.log.appendWithin(tx, session, { type: 'session.created', turn_id: null, data: { name } });
  }

  /** What the session's newest turn ran, if it had one. */
  lastAgent(tx: Transaction, session: SessionKey): Promise<{ name: string } | undefined> {
    return this.turns.lastAgent(tx, session);
  }

  /** Puts a turn in line for a runner. Errors: session_in_use. */
  async start(tx: Transaction, start: TurnStart): Promise<TurnRow> {
    const live = await this.turns.lockLiveTurn(tx, start);
    if (live) throw SessionInUse({ session_id: start.session_id, turn_id: live.turn_id, status: live.status });
    const turn = await this.turns.insertTurn(tx, { ...start, turn_id: uuidv7() });
    this.log.appendWithin(tx, turn, {
      type: 'turn.queued',
      turn_id: turn.turn_id,
      data: {
        prompt: turn.prompt,
        agent: { name: turn.agent_name, revision: turn.agent_revision },
        harness: turn.harness,
        by_id: turn.created_by_id,
      },
    });
    tx.afterCommit(() => this.signals.publish(queueChannel(turn.project_id, turn.pool), ''));
    return turn;
  }

  /**
   * Asks the live turn to stop. One that nobody has claimed has nothing to stop: the caller ends it. A second request
   * changes nothing. Errors: no_live_turn.
   */
  async requestStop(tx: Transaction, session: SessionKey): Promise<{ turn: TurnRow; endNow: boolean }> {
    const turn = await this.turns.lockLiveTurn(tx, session);
    if (!turn) throw NoLiveTurn({ session_id: session.session_id });
    if (transition(turn.status, 'stop') === 'ended') return { turn, endNow: true };
    if (turn.status === 'stopping') return { turn, endNow: false };

    await this.turns.markStopping(tx, turn, this.config.stoppingSeconds);
    this.log.appendWithin(tx, turn, { type: 'turn.stopping', turn_id: turn.turn_id, data: { reason: 'cancelled' } });
    this.command(tx, turn, { type: 'cancel' });
    return { turn: { ...turn, status: 'stopping' }, endNow: false };
  }

  /**
   * The turn that its runner may end now, or that this attempt has ended before: then the call is a retry. Judged in
   * the order of idempotency, epoch, state. Errors: turn_not_found, stale_epoch.
   */
  async lockForEnd(tx: Transaction, fence: TurnFence): Promise<{ turn: TurnRow; alreadyEnded: boolean }> {
    const epoch = await this.fences.lock(tx, fence);
    const turn = epoch === undefined ? undefined : await this.turns.lockTurn(tx, fence);
    if (epoch === undefined || !turn) throw TurnNotFound({ turn_id: fence.turn_id });
    // A forced end leaves the turn under the epoch that it moved to, so only the attempt that ended it passes here.
    if (!isLive(turn.status) && turn.epoch === fence.epoch) return { turn, alreadyEnded: true };
    if (epoch !== fence.epoch || turn.epoch !== fence.epoch) {
      throw StaleEpoch({ session_id: fence.session_id, epoch: fence.epoch, current: epoch });
    }
    return { turn, alreadyEnded: false };
  }

  /** Ends a locked live turn: the row, its event, and everybody's right to append. */
  async end(tx: Transaction, turn: TurnRow, end: TurnEnd): Promise<TurnRow> {
    const ended = await this.turns.endTurn(tx, turn, end);
    this.log.appendWithin(
      tx,
      turn,
      {
        type: `turn.${end.status}`,
        turn_id: turn.turn_id,
        data: { stop_reason: end.stop_reason, usage: end.usage, error: end.error },
      },
      { writer: null },
    );
    return ended;
  }

  /**
   * Takes an overdue session from its owner by moving the epoch. Undefined when it is overdue no longer, or somebody
   * else is at work on it. A turn that never ran goes back in line; any other is returned for the caller to end.
   */
  async takeOverdue(tx: Transaction, session: SessionKey): Promise<{ turn: TurnRow; end?: TurnEnd } | undefined> {
    if ((await this.fences.tryLock(tx, session)) === undefined) return undefined;
    const cause = await this.turns.overdue(tx, session);
    const lost = cause && (await this.turns.lockLiveTurn(tx, session));
    if (!lost) return undefined;

    const turn = { ...lost, epoch: await this.fences.advance(tx, session) };
    if (cause === 'stop') return { turn, end: cancelledEnd(STOPPED_BY_FORCE) };
    if (turn.status === 'stopping') return { turn, end: cancelledEnd(OWNER_LOST) };

    const requeue = afterLostOwner(turn.status, turn.attempt) === 'requeue';
    this.log.appendWithin(
      tx,
      turn,
      {
        type: 'turn.attempt_lost',
        turn_id: turn.turn_id,
        data: { attempt: turn.attempt, epoch: lost.epoch, requeued: requeue },
      },
      { writer: null },
    );
    if (!requeue) return { turn, end: { status: 'lost', stop_reason: null, usage: null, error: OWNER_LOST } };
    await this.turns.requeueTurn(tx, turn);
    tx.afterCommit(() => this.signals.publish(queueChannel(turn.project_id, turn.pool), ''));
    return { turn };
  }

  /** Hands a command to the runner that owns the turn; false when none does. */
  command(tx: Transaction, turn: TurnRow, command: { type: 'cancel' | 'answer' } & Record<string, unknown>): boolean {
    if (!turn.replica_id || !isLive(turn.status)) return false;
    const { session_id, turn_id, epoch } = turn;
    this.log.commandWithin(tx, turn.project_id, turn.replica_id, {
      command_id: uuidv7(),
      session_id,
      turn_id,
      epoch,
      ...command,
    });
    return true;
  }

  /** The turn, locked, if this attempt of it is live. Call with the fence held. Errors: turn_not_found, turn_not_live, stale_epoch. */
  async requireLive(tx: Transaction, fence: TurnFence): Promise<TurnRow> {
    const turn = await this.turns.lockTurn(tx, fence);
    if (!turn) throw TurnNotFound({ turn_id: fence.turn_id });
    if (turn.epoch !== fence.epoch) {
      throw StaleEpoch({ session_id: fence.session_id, epoch: fence.epoch, current: turn.epoch ?? 0 });
    }
    if (!isLive(turn.status)) throw TurnNotLive({ turn_id: turn.turn_id, status: turn.status });
    return turn;
  }
}

const OWNER_LOST = {
  code: 'owner_lost',
  message: 'The runner that hosted this turn stopped renewing its lease. What it had written is in the log.',
};

const STOPPED_BY_FORCE = {
  code: 'stopped_by_force',
  message: 'The agent did not stop in time and was ended.',
};

function cancelledEnd(error: TurnEnd['error']): TurnEnd {
  return { status: 'cancelled', stop_reason: 'cancelled', usage: null, error };
}
