import { Injectable } from '@nestjs/common';
import { SessionFences, type SessionKey, type Transaction } from '@holdfast/platform-postgres';
import { SessionLogService } from '../log/session-log.service.js';
import { TurnMilestones } from '../ports/turn-milestones.port.js';
import { afterLostOwner } from './session-turn.rules.js';
import { SessionTurnsRepository, type TurnEnd, type TurnRow } from './session-turns.repository.js';
import { SessionTurnsService } from './session-turns.service.js';
import { TurnLeasesRepository } from './turn-leases.repository.js';
import { TurnLine } from './turn-line.js';

/** A turn that was taken from its owner: in line again, or with how it ends. */
export interface TakenTurn {
  turn: TurnRow;
  end?: TurnEnd;
}

/** Takes turns from owners that let their lease run out. Runs in the caller's transaction. */
@Injectable()
export class TurnTakeoverService {
  constructor(
    private readonly leases: TurnLeasesRepository,
    private readonly turns: SessionTurnsRepository,
    private readonly service: SessionTurnsService,
    private readonly fences: SessionFences,
    private readonly log: SessionLogService,
    private readonly line: TurnLine,
    private readonly milestones: TurnMilestones,
  ) {}

  /**
   * Takes an overdue session from its owner by moving the epoch, and asks for whatever is left there to be ended.
   * Undefined when it is overdue no longer, or somebody else is at work on it. The turn goes back in line as often as
   * it may; after that, and when it was to stop, the caller ends it.
   */
  async takeOverdue(tx: Transaction, session: SessionKey): Promise<TakenTurn | undefined> {
    if ((await this.fences.tryLock(tx, session)) === undefined) return undefined;
    const cause = await this.leases.overdue(tx, session);
    const lost = cause && (await this.turns.lockLiveTurn(tx, session));
    if (!lost) return undefined;

    this.service.command(tx, lost, { type: 'kill' });
    const turn = { ...lost, epoch: await this.fences.advance(tx, session) };
    if (cause === 'stop') return { turn, end: stoppedEnd(turn, STOPPED_BY_FORCE) };
    if (turn.status === 'stopping') return { turn, end: stoppedEnd(turn, ownerLost(turn)) };

    const requeued = afterLostOwner(lost.status, await this.leases.countLostAttempt(tx, lost), lost.max_attempts);
    this.log.appendWithin(
      tx,
      turn,
      {
        type: 'turn.attempt_lost',
        turn_id: turn.turn_id,
        data: { attempt: lost.attempt, epoch: lost.epoch, requeued: requeued === 'requeue' },
      },
      { writer: null },
    );
    if (requeued === 'lose') {
      return { turn, end: { status: 'lost', stop_reason: null, usage: null, error: ownerLost(lost) } };
    }
    const queued = await this.leases.requeueTurn(tx, turn, null);
    await this.milestones.reached(tx, queued, 'requeued');
    await this.line.announce(tx, queued);
    return { turn: queued };
  }
}

const ownerLost = ({ push_url }: TurnRow) => ({
  code: 'owner_lost',
  message: `The ${push_url === null ? 'runner' : 'service'} that hosted this turn stopped renewing its lease. What it had written is in the log.`,
});

const STOPPED_BY_FORCE = {
  code: 'stopped_by_force',
  message: 'The agent did not stop in time and was ended.',
};

function stoppedEnd({ stop_status }: TurnRow, error: TurnEnd['error']): TurnEnd {
  return { status: 'cancelled', stop_reason: stop_status ?? 'cancelled', usage: null, error };
}
