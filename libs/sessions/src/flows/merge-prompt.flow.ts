import { Injectable } from '@nestjs/common';
import { SessionFences, StaleEpoch, UnitOfWork } from '@holdfast/platform-postgres';
import {
  PromptNotOffered,
  SessionTurnsRepository,
  SessionTurnsService,
  TurnNotFound,
  type SessionTurnMerge,
  type TurnRow,
} from '@holdfast/sessions-streams';
import { EndTurnFlow } from './end-turn.flow.js';

/** An agent has taken a prompt that was offered to its turn, so that it is no turn of its own any more. */
@Injectable()
export class MergePromptFlow {
  constructor(
    private readonly unitOfWork: UnitOfWork,
    private readonly fences: SessionFences,
    private readonly repository: SessionTurnsRepository,
    private readonly turns: SessionTurnsService,
    private readonly endTurn: EndTurnFlow,
  ) {}

  /**
   * The merged turn. A retry changes nothing. Judged in the order of idempotency, epoch, state. Errors: turn_not_found,
   * stale_epoch, turn_not_live, prompt_not_offered.
   */
  run(project_id: string, { session_id, turn_id, epoch, merged_turn_id }: SessionTurnMerge): Promise<TurnRow> {
    const fence = { project_id, session_id, turn_id, epoch };
    return this.unitOfWork.run(async (tx) => {
      const current = await this.fences.lock(tx, fence);
      const entry = await this.repository.lockTurn(tx, { ...fence, turn_id: merged_turn_id });
      if (current === undefined || !entry) throw TurnNotFound({ turn_id: merged_turn_id });
      const isOffered = entry.in_turn_of === turn_id;
      if (isOffered && entry.status === 'merged') return entry;
      if (current !== epoch) throw StaleEpoch({ session_id, epoch, current });
      await this.turns.requireLive(tx, fence);
      if (!isOffered || entry.status !== 'inbox') {
        throw PromptNotOffered({ turn_id: merged_turn_id, status: entry.status });
      }
      return this.endTurn.waiting(tx, entry, { status: 'merged', stop_reason: null, usage: null, error: null });
    });
  }
}
