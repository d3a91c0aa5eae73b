import { Injectable } from '@nestjs/common';
import { SessionFences, StaleEpoch, type Transaction, type TurnFence } from '@holdfast/platform-postgres';
import { SessionLogService } from '../log/session-log.service.js';
import { TurnMilestones } from '../ports/turn-milestones.port.js';
import { TurnNotFound } from '../sessions-streams.errors.js';
import { afterLostOwner, isLive, transition } from './session-turn.rules.js';
import { SessionTurnsRepository, type TurnEnd, type TurnRow } from './session-turns.repository.js';
import { TurnLeasesRepository } from './turn-leases.repository.js';
import { TurnLine } from './turn-line.js';

/** Why a runner hands a turn over whose agent it ended because it could not beat in time. */
const LOST_CONTACT = 'lost_contact';

/** What a hand-over came to. `to_end`: the turn goes in line no more, and the caller ends it. `done`: it was handed over before, or is over. */
export type HandedOver = { turn: TurnRow } & ({ outcome: 'queued' | 'done' } | { outcome: 'to_end'; end: TurnEnd });

/** Lets a runner that goes away give a turn to another one. Runs in the caller's transaction. */
@Injectable()
export class TurnHandOverService {
  constructor(
    private readonly fences: SessionFences,
    private readonly turns: SessionTurnsRepository,
    private readonly leases: TurnLeasesRepository,
    private readonly log: SessionLogService,
    private readonly line: TurnLine,
    private readonly milestones: TurnMilestones,
  ) {}

  /**
   * Puts the turn back in line under a new epoch. The attempt counts as lost only where its runner lost contact, and
   * then as often as such a turn may be. Leaves fence and turn locked. Judged in the order of idempotency, epoch, state.
   * Errors: turn_not_found, stale_epoch.
   */
  async handOver(tx: Transaction, fence: TurnFence, reason: string): Promise<HandedOver> {
    const epoch = await this.fences.lock(tx, fence);
    const turn = epoch === undefined ? undefined : await this.turns.lockTurn(tx, fence);
    if (epoch === undefined || !turn) throw TurnNotFound({ turn_id: fence.turn_id });
    const isOver = !isLive(turn.status) && turn.epoch === fence.epoch;
    if (isOver || turn.handed_over_epoch === fence.epoch) return { turn, outcome: 'done' };
    if (epoch !== fence.epoch || turn.epoch !== fence.epoch) {
      throw StaleEpoch({ session_id: fence.session_id, epoch: fence.epoch, current: epoch });
    }
    if (transition(turn.status, 'hand_back') !== 'queued') return { turn, outcome: 'to_end', end: stoppedEnd(turn) };
    if (reason === LOST_CONTACT && !(await this.mayBeLostAgain(tx, turn))) {
      const data = { attempt: turn.attempt, epoch: fence.epoch, requeued: false };
      const { turn_id } = turn;
      this.log.appendWithin(tx, turn, { type: 'turn.attempt_lost', turn_id, data }, { writer: null });
      return { turn, outcome: 'to_end', end: CONTACT_LOST };
    }

    const next = { ...turn, epoch: await this.fences.advance(tx, fence) };
    this.log.appendWithin(
      tx,
      turn,
      {
        type: 'turn.handed_over',
        turn_id: turn.turn_id,
        data: { attempt: turn.attempt, epoch: fence.epoch, reason },
      },
      { writer: null },
    );
    const queued = await this.leases.requeueTurn(tx, next, fence.epoch);
    await this.milestones.reached(tx, queued, 'requeued');
    await this.line.announce(tx, queued);
    return { turn: queued, outcome: 'queued' };
  }

  private async mayBeLostAgain(tx: Transaction, turn: TurnRow): Promise<boolean> {
    const lostAttempts = await this.leases.countLostAttempt(tx, turn);
    return afterLostOwner(turn.status, lostAttempts, turn.max_attempts) === 'requeue';
  }
}

function stoppedEnd({ stop_status }: TurnRow): TurnEnd {
  return { status: 'cancelled', stop_reason: stop_status ?? 'cancelled', usage: null, error: null };
}

const CONTACT_LOST: TurnEnd = {
  status: 'lost',
  stop_reason: null,
  usage: null,
  error: {
    code: 'owner_lost',
    message: 'The runner that hosted this turn lost contact and ended its agent. What it had written is in the log.',
  },
};
