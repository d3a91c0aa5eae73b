import { Injectable } from '@nestjs/common';
import { UnitOfWork } from '@holdfast/platform-postgres';
import { SessionTurnsService, type SessionTurnComplete, type TurnRow } from '@holdfast/sessions-streams';
import { EndTurnFlow } from './end-turn.flow.js';

/** The last write of a runner for a turn. */
@Injectable()
export class CompleteTurnFlow {
  constructor(
    private readonly unitOfWork: UnitOfWork,
    private readonly turns: SessionTurnsService,
    private readonly endTurn: EndTurnFlow,
  ) {}

  /** A retry is answered like the first call. Errors: turn_not_found, stale_epoch, turn_not_live. */
  run(project_id: string, complete: SessionTurnComplete): Promise<TurnRow> {
    return this.unitOfWork.run(async (tx) => {
      const { turn, alreadyEnded } = await this.turns.lockForEnd(tx, { project_id, ...complete });
      if (alreadyEnded) return turn;
      return this.endTurn.within(tx, turn, {
        status: complete.status,
        stop_reason: complete.stop_reason ?? null,
        usage: complete.usage ?? null,
        error: complete.error ?? null,
      });
    });
  }
}
