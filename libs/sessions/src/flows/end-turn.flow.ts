import { Injectable } from '@nestjs/common';
import { isDomainError } from '@holdfast/platform-errors';
import { SessionFences, type SessionKey, type Transaction } from '@holdfast/platform-postgres';
import { Jobs } from '@holdfast/platform-queue';
import { SessionInteractionsService } from '@holdfast/sessions-interactions';
import { SessionInboxService, SessionTurnsService, type TurnEnd, type TurnRow } from '@holdfast/sessions-streams';
import { sessionsTranscriptsJobs } from '@holdfast/sessions-transcripts';
import { EndHost } from './end-host.js';
import { PrepareInvoke } from './prepare-invoke.js';

/**
 * What must happen wherever a turn ends: its open questions close first, then it ends, then what waits next takes its
 * place, all in one transaction; and its transcript is due. Call with the session's fence and the turn locked.
 */
@Injectable()
export class EndTurnFlow {
  constructor(
    private readonly fences: SessionFences,
    private readonly turns: SessionTurnsService,
    private readonly inbox: SessionInboxService,
    private readonly interactions: SessionInteractionsService,
    private readonly endHost: EndHost,
    private readonly prepareInvoke: PrepareInvoke,
    private readonly jobs: Jobs,
  ) {}

  /** Ends the live turn. What waits takes its place, or what `startNext` starts. */
  async within(
    tx: Transaction,
    turn: TurnRow,
    end: TurnEnd,
    startNext: () => Promise<unknown> = () => this.promoteNext(tx, turn),
  ): Promise<TurnRow> {
    await this.interactions.cancelForTurn(tx, turn, `turn_${end.status}`);
    const ended = await this.turns.end(tx, turn, end);
    if (ended.status === 'lost') await this.endHost.within(tx, turn, 'runner_lost');
    await startNext();
    const { project_id, session_id } = turn;
    await this.jobs.enqueue(tx, sessionsTranscriptsJobs.projectSessionTranscript, project_id, { session_id });
    return ended;
  }

  /** Ends the live turn under another epoch, so that whoever has it, or is about to take it, can write nothing more. */
  async byForce(tx: Transaction, turn: TurnRow, end: TurnEnd): Promise<TurnRow> {
    return this.within(tx, { ...turn, epoch: await this.fences.advance(tx, turn) }, end);
  }

  /** Ends a turn that waits in the inbox: nothing ran, and nothing takes its place. */
  waiting(tx: Transaction, entry: TurnRow, end: TurnEnd): Promise<TurnRow> {
    return this.turns.end(tx, entry, end);
  }

  /** The turn that is in line once more, or how it ended where it may not start again. */
  async unlessItMayStart(tx: Transaction, queued: TurnRow): Promise<TurnRow> {
    const error = await refusalOf(this.prepareInvoke.requireApprovals(tx, queued));
    return error ? this.within(tx, queued, { status: 'failed', stop_reason: null, usage: null, error }) : queued;
  }

  /** Starts what waits first and may still, in a session without a live turn. */
  async promoteNext(tx: Transaction, session: SessionKey): Promise<void> {
    for (;;) {
      const next = await this.inbox.head(tx, session);
      if (!next || (await this.promote(tx, next))) return;
    }
  }

  /** One that may not start any more ends with the reason: then false. */
  private async promote(tx: Transaction, entry: TurnRow): Promise<boolean> {
    const error = await refusalOf(this.prepareInvoke.promote(tx, entry));
    if (error) await this.waiting(tx, entry, { status: 'failed', stop_reason: null, usage: null, error });
    return !error;
  }
}

/** Why somebody may not start a turn; undefined when they may. */
async function refusalOf(start: Promise<unknown>): Promise<TurnEnd['error'] | undefined> {
  try {
    await start;
    return undefined;
  } catch (refusal) {
    if (!isDomainError(refusal)) throw refusal;
    return { code: refusal.code, message: refusal.message };
  }
}

/** The end of a turn that somebody ended, and why. */
export const cancelledBecause = (stop_reason: string): TurnEnd => ({
  status: 'cancelled',
  stop_reason,
  usage: null,
  error: null,
});

export const SUPERSEDED: TurnEnd = { status: 'superseded', stop_reason: 'superseded', usage: null, error: null };
