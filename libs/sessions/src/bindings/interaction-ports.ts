import { Injectable } from '@nestjs/common';
import type { SessionKey, Transaction, TurnFence } from '@holdfast/platform-postgres';
import { TaskStates } from '@holdfast/sessions-sharing';
import {
  InteractionLog,
  LiveTurns,
  SessionInteractionsRepository,
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
import { turnFact } from './turn-tasks.js';

/** Questions and answers are events of the session's log, and its task is blocked while one is open. */
@Injectable()
export class SessionInteractionLog extends InteractionLog {
  constructor(
    private readonly log: SessionLogService,
    private readonly turns: SessionTurnsRepository,
    private readonly interactions: SessionInteractionsRepository,
    private readonly tasks: TaskStates,
  ) {
    super();
  }

  async append(tx: Transaction, session: SessionKey, event: InteractionLogEvent): Promise<void> {
    this.log.appendWithin(tx, session, event);
    // Where a question is cancelled, what becomes of its turn is told.
    if (event.type !== 'interaction.requested' && event.type !== 'interaction.responded') return;
    // Locked before the count, so that of two answers the later one sees the other.
    if (!(await this.tasks.lock(tx, session))) return;
    const turn = await this.turns.lockTurn(tx, { ...session, turn_id: event.turn_id });
    if (!turn) return;
    const isAsked = (await this.interactions.countPending(tx, turn)) > 0;
    const fact = turnFact(turn, isAsked ? 'asked' : 'answered');
    if (fact) await this.tasks.told(tx, session, fact);
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
