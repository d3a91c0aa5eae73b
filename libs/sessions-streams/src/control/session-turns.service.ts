import { Injectable } from '@nestjs/common';
import { v7 as uuidv7 } from 'uuid';
import {
  SessionFences,
  StaleEpoch,
  type SessionKey,
  type Transaction,
  type TurnFence,
} from '@holdfast/platform-postgres';
import { SessionLogService } from '../log/session-log.service.js';
import { ProjectAtCapacity, TurnNotFound, TurnNotLive } from '../sessions-streams.errors.js';
import { TurnMilestones } from '../ports/turn-milestones.port.js';
import { StreamsConfig } from '../streams.config.js';
import { privatePoolOf } from './local-pool.rules.js';
import { RunnerReplicasRepository } from './runner-replicas.repository.js';
import { isLive, outcomeOf, transition } from './session-turn.rules.js';
import {
  SessionTurnsRepository,
  type FreshStart,
  type NewTurn,
  type TurnEnd,
  type TurnRow,
} from './session-turns.repository.js';
import { SessionWatchersService } from './session-watchers.service.js';
import { TurnLine } from './turn-line.js';
import { TurnSlotsRepository } from './turn-slots.repository.js';

/** A turn to be made: what it runs is pinned where it is made. */
export type TurnStart = Omit<NewTurn, 'turn_id'>;

/** What the log says of a turn that waits or goes in line. */
export const describeTurn = (turn: TurnRow) => ({
  prompt: turn.prompt,
  agent: { name: turn.agent_name, revision: turn.agent_revision },
  harness: turn.harness,
  drive: turn.drive,
  approvals: turn.approvals,
  by_id: turn.created_by_id,
});

/** What the log says of a turn's end. One that never left the inbox was no part of the conversation. */
function describeEnd(turn: TurnRow, { status, stop_reason, usage, error }: TurnEnd): object {
  if (status === 'merged') return { into_turn_id: turn.in_turn_of, ...describeTurn(turn) };
  return { stop_reason, usage, error, ...(turn.status === 'inbox' && { from: 'inbox' }) };
}

/**
 * The life of turns. Every method runs in the caller's transaction, which holds the session's fence; the flows in
 * libs/sessions open it, because starting and ending a turn changes other domains too.
 */
@Injectable()
export class SessionTurnsService {
  constructor(
    private readonly turns: SessionTurnsRepository,
    private readonly slots: TurnSlotsRepository,
    private readonly replicas: RunnerReplicasRepository,
    private readonly watchers: SessionWatchersService,
    private readonly fences: SessionFences,
    private readonly log: SessionLogService,
    private readonly line: TurnLine,
    private readonly milestones: TurnMilestones,
    private readonly config: StreamsConfig,
  ) {}

  /** Makes the stream and the log of a new session. */
  async openStream(tx: Transaction, session: SessionKey, generation: number, name: string | null): Promise<void> {
    await this.turns.createStream(tx, session);
    await this.log.createSessionLog(tx, session, generation);
    this.log.appendWithin(tx, session, { type: 'session.created', turn_id: null, data: { name } });
  }

  /** Removes the stream, the turns and the log of a session in which no turn is live. */
  async deleteSession(tx: Transaction, session: SessionKey, by_id: string): Promise<void> {
    await this.turns.deleteSession(tx, session);
    // For who watches now: nobody can read it afterwards.
    this.log.appendWithin(tx, session, { type: 'session.deleted', turn_id: null, data: { by_id } });
    this.log.deleteSessionLog(tx, session);
  }

  /** What the session's newest turn ran, and the private pool of the machine that it was for, if it was for one. */
  async lastRun(tx: Transaction, session: SessionKey): Promise<{ agent?: { name: string }; private_pool?: string }> {
    const last = await this.turns.lastRun(tx, session);
    return last ? { agent: { name: last.agent_name }, private_pool: privatePoolOf(last.pool) } : {};
  }

  /** The private pool of the machine on which a turn runs; undefined where nobody runs it, or its runner has none. */
  async privatePoolOf(tx: Transaction, { project_id, replica_id }: TurnRow): Promise<string | undefined> {
    return replica_id === null ? undefined : this.replicas.privatePool(tx, project_id, replica_id);
  }

  /** The last turn that began the session's conversation anew, if one did. */
  lastFreshStart(tx: Transaction, session: SessionKey): Promise<FreshStart | undefined> {
    return this.turns.lastFreshStart(tx, session);
  }

  /** The live turn of the session, locked. */
  liveTurn(tx: Transaction, session: SessionKey): Promise<TurnRow | undefined> {
    return this.turns.lockLiveTurn(tx, session);
  }

  /** Puts a turn in line in a session that has no live one. Errors: project_at_capacity. */
  async start(tx: Transaction, start: TurnStart): Promise<TurnRow> {
    if (await this.slots.take(tx, start)) return this.makeLive(tx, start);
    throw ProjectAtCapacity({ limit: this.config.maxLiveTurnsPerProject });
  }

  /** The same in the transaction that superseded the live turn, in whose slot it goes on: no limit stops it. */
  async replace(tx: Transaction, start: TurnStart): Promise<TurnRow> {
    await this.slots.take(tx, start);
    return this.makeLive(tx, start);
  }

  private async makeLive(tx: Transaction, start: TurnStart): Promise<TurnRow> {
    const turn = await this.turns.insertTurn(tx, { ...start, turn_id: uuidv7() });
    await this.milestones.reached(tx, turn, 'made');
    await this.enterLine(tx, turn);
    return turn;
  }

  /** Puts a turn that waited in line. It goes on in its predecessor's slot; where that was lost, no limit stops it. */
  async promote(tx: Transaction, entry: TurnRow): Promise<TurnRow> {
    await this.slots.take(tx, entry);
    const turn = await this.turns.promoteTurn(tx, entry);
    await this.milestones.reached(tx, turn, 'promoted');
    await this.enterLine(tx, turn);
    return turn;
  }

  private async enterLine(tx: Transaction, turn: TurnRow): Promise<void> {
    const { turn_id } = turn;
    this.log.appendWithin(tx, turn, { type: 'turn.queued', turn_id, data: describeTurn(turn) });
    // Whoever sent it and stays on the line watches it, under the turn's own id.
    if (!turn.detached) {
      await this.watchers.attach(tx, turn, { watcher_id: turn_id, turn_id, by_id: turn.created_by_id });
    }
    await this.line.announce(tx, turn);
  }

  /**
   * Asks a locked live turn to stop, and says how it is to end. One that nobody has claimed has nothing to stop: the
   * caller ends it. A second request changes nothing.
   */
  async requestStop(
    tx: Transaction,
    turn: TurnRow,
    status: 'cancelled' | 'superseded',
  ): Promise<{ turn: TurnRow; endNow: boolean }> {
    if (transition(turn.status, 'stop') === 'ended') return { turn, endNow: true };
    if (turn.status === 'stopping') return { turn, endNow: false };

    const stopping = await this.turns.markStopping(tx, turn, { status, deadlineSeconds: this.config.stoppingSeconds });
    this.log.appendWithin(tx, turn, { type: 'turn.stopping', turn_id: turn.turn_id, data: { reason: status } });
    this.command(tx, turn, { type: 'cancel', reason: status });
    return { turn: stopping, endNow: false };
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

  /** Ends a locked turn: the row, its event, and when it was live its slot and everybody's right to append. */
  async end(tx: Transaction, turn: TurnRow, end: TurnEnd): Promise<TurnRow> {
    const wasLive = isLive(turn.status);
    const status = outcomeOf(turn, end.status);
    const ended = await this.turns.endTurn(tx, turn, { ...end, status });
    await this.milestones.reached(tx, ended, 'ended');
    if (wasLive) await this.slots.release(tx, turn);
    this.log.appendWithin(
      tx,
      turn,
      { type: `turn.${status}`, turn_id: turn.turn_id, data: describeEnd(turn, end) },
      wasLive ? { writer: null } : {},
    );
    return ended;
  }

  /** Hands a command to the runner that owns the turn; false when none does. */
  command(
    tx: Transaction,
    turn: TurnRow,
    command: { type: 'cancel' | 'steer' | 'answer' | 'kill' } & Record<string, unknown>,
  ): boolean {
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
