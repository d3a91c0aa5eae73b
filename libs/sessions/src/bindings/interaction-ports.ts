import { Injectable } from '@nestjs/common';
import type { SessionKey, Transaction, TurnFence } from '@holdfast/platform-postgres';
import {
  InteractionLog,
  LiveTurns,
  TurnControl,
  type AnswerCommand,
  type InteractionLogEvent,
} from '@holdfast/sessions-interactions';
import {
  SessionLogService,
  SessionTurnsRepository,
  SessionTurnsService,
  TurnNotLive,
} from '@holdfast/sessions-streams';

/** Questions and answers are events of the session's log. */
@Injectable()
export class SessionInteractionLog extends InteractionLog {
  constructor(private readonly log: SessionLogService) {
    super();
  }

  async append(tx: Transaction, session: SessionKey, event: InteractionLogEvent): Promise<void> {
    this.log.appendWithin(tx, session, event);
  }
}

/** An answer reaches the runner that owns the turn. */
@Injectable()
export class SessionTurnControl extends TurnControl {
  constructor(
    private readonly turns: SessionTurnsRepository,
    private readonly service: SessionTurnsService,
  ) {
    super();
  }

  async send(tx: Transaction, fence: TurnFence, answer: AnswerCommand): Promise<boolean> {
    const turn = await this.turns.lockTurn(tx, fence);
    return turn !== undefined && turn.epoch === fence.epoch && this.service.command(tx, turn, { ...answer });
  }
}

/** Only an attempt that runs may ask. */
@Injectable()
export class LiveSessionTurns extends LiveTurns {
  constructor(private readonly service: SessionTurnsService) {
    super();
  }

  async requireLive(tx: Transaction, fence: TurnFence): Promise<void> {
    const turn = await this.service.requireLive(tx, fence);
    // Nothing was asked of the agent yet, and a turn that goes back in line could not take the answer.
    if (turn.status === 'starting') throw TurnNotLive({ turn_id: turn.turn_id, status: turn.status });
  }
}
