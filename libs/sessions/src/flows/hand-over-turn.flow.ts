import { Injectable } from '@nestjs/common';
import { UnitOfWork } from '@holdfast/platform-postgres';
import { SessionInteractionsService } from '@holdfast/sessions-interactions';
import { TurnHandOverService, type SessionTurnDetach, type TurnRow } from '@holdfast/sessions-streams';
import { EndTurnFlow } from './end-turn.flow.js';

/** A runner that goes away gives its turn to another one. */
@Injectable()
export class HandOverTurnFlow {
  constructor(
    private readonly unitOfWork: UnitOfWork,
    private readonly handOver: TurnHandOverService,
    private readonly interactions: SessionInteractionsService,
    private readonly endTurn: EndTurnFlow,
  ) {}

  /**
   * The turn as it is then: in line again, or over where it was to stop or its attempts are spent. A retry changes nothing. Errors:
   * turn_not_found, stale_epoch.
   */
  run(project_id: string, { reason, ...fence }: SessionTurnDetach): Promise<TurnRow> {
    return this.unitOfWork.run(async (tx) => {
      const handedOver = await this.handOver.handOver(tx, { project_id, ...fence }, reason);
      const { turn } = handedOver;
      if (handedOver.outcome === 'to_end') return this.endTurn.within(tx, turn, handedOver.end);
      if (handedOver.outcome !== 'queued') return turn;
      // Nobody is there any more to take their answers.
      await this.interactions.cancelForTurn(tx, turn, 'turn_handed_over');
      return this.endTurn.unlessItMayStart(tx, turn);
    });
  }
}
