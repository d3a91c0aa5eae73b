import { Injectable } from '@nestjs/common';
import type { Transaction } from '@holdfast/platform-postgres';
import { Jobs } from '@holdfast/platform-queue';
import { SessionInteractionsService } from '@holdfast/sessions-interactions';
import { SessionTurnsService, type TurnEnd, type TurnRow } from '@holdfast/sessions-streams';
import { sessionsTranscriptsJobs } from '@holdfast/sessions-transcripts';

/** What must happen wherever a turn ends: its open questions close first, then it ends, then its transcript is due. */
@Injectable()
export class EndTurnFlow {
  constructor(
    private readonly turns: SessionTurnsService,
    private readonly interactions: SessionInteractionsService,
    private readonly jobs: Jobs,
  ) {}

  /** Call with the session's fence and the live turn locked. */
  async within(tx: Transaction, turn: TurnRow, end: TurnEnd): Promise<TurnRow> {
    await this.interactions.cancelForTurn(tx, turn, `turn_${end.status}`);
    const ended = await this.turns.end(tx, turn, end);
    const { project_id, session_id } = turn;
    await this.jobs.enqueue(tx, sessionsTranscriptsJobs.projectSessionTranscript, project_id, { session_id });
    return ended;
  }
}
