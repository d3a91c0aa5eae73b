import { Injectable } from '@nestjs/common';
import {
  SessionFences,
  SessionNotFound,
  type SessionKey,
  type Transaction,
  type TurnFence,
} from '@holdfast/platform-postgres';
import { TaskSessions, TaskStates, type TurnFact } from '@holdfast/sessions-sharing';
import {
  SessionTurnsRepository,
  SessionTurnsService,
  type TurnMilestone,
  type TurnRow,
  type TurnStatus,
} from '@holdfast/sessions-streams';

/** What the status of a turn tells of its task; null where another turn speaks for that. */
const FACT_OF: Record<TurnStatus, TurnFact['kind'] | null> = {
  inbox: null,
  queued: 'queued',
  starting: 'claimed',
  running: 'running',
  stopping: 'running',
  completed: 'completed',
  failed: 'failed',
  cancelled: 'cancelled',
  superseded: 'superseded',
  merged: null,
  paused: 'paused',
  lost: 'lost',
};

/** Undefined for a prompt that waits, and for one that never left the inbox. */
export function turnFact(turn: TurnRow, kind = FACT_OF[turn.status]): TurnFact | undefined {
  const { turn_id, turn_index, error, agent_name: name, agent_revision: revision, harness } = turn;
  if (kind === null || turn_index === null) return undefined;
  return { kind, turn_id, turn_index, error, agent: { name, revision }, harness };
}

/** The task of a session is what its turns make of it. */
@Injectable()
export class TurnTasks {
  constructor(
    private readonly states: TaskStates,
    private readonly turns: SessionTurnsRepository,
  ) {}

  async reached(tx: Transaction, turn: TurnRow, milestone: TurnMilestone): Promise<void> {
    const fact = turnFact(turn);
    if (fact) await this.states.told(tx, turn, fact);
    else if (milestone === 'ended' && turn.status === 'failed') await this.refused(tx, turn);
  }

  /** A prompt that waited may not start. Nobody else tells, where the turn before it left its end to it. */
  private async refused(tx: Transaction, turn: TurnRow): Promise<void> {
    const last = await this.turns.newestTurn(tx, turn);
    if (last?.status === 'superseded') await this.states.refused(tx, turn, turn.error);
  }
}

/** Sessions are there as long as their fence is, and stand as their newest turn does. */
@Injectable()
export class TurnsOfTasks extends TaskSessions {
  constructor(
    private readonly fences: SessionFences,
    private readonly turns: SessionTurnsRepository,
    private readonly service: SessionTurnsService,
  ) {
    super();
  }

  async standing(tx: Transaction, session: SessionKey): Promise<TurnFact | undefined> {
    if ((await this.fences.lock(tx, session)) === undefined) throw SessionNotFound({ session_id: session.session_id });
    const newest = await this.turns.newestTurn(tx, session);
    return newest && turnFact(newest);
  }

  async requireLive(tx: Transaction, attempt: TurnFence): Promise<void> {
    await this.fences.hold(tx, attempt);
    await this.service.requireLive(tx, attempt);
  }
}
