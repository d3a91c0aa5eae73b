import { Injectable, Logger } from '@nestjs/common';
import { SessionFences, UnitOfWork, type SessionKey, type Transaction } from '@holdfast/platform-postgres';
import { SessionInteractionsService } from '@holdfast/sessions-interactions';
import {
  LOCAL_RUNNER_GONE_SECONDS,
  SessionTurnsService,
  StreamsConfig,
  TurnLeasesRepository,
  TurnTakeoverService,
  type TurnEnd,
} from '@holdfast/sessions-streams';
import { EndTurnFlow } from './end-turn.flow.js';

const BATCH = 50;

/**
 * Takes sessions whose owner let its lease run out, or whose turn did not stop in time, from their owner, starts prompts
 * that wait behind no live turn, and ends turns that wait for a machine where no runner is any more. One transaction a session, safe with any number of sweepers.
 *
 * Nothing is taken before the sweeper has been in contact with the database for a whole lease without a break: while
 * the database was away, or this machine slept, no owner could beat.
 */
@Injectable()
export class SweepOverdueTurnsFlow {
  private readonly logger = new Logger(SweepOverdueTurnsFlow.name);
  private contactSince = Number.POSITIVE_INFINITY;
  private lastContact = Number.NEGATIVE_INFINITY;

  constructor(
    private readonly unitOfWork: UnitOfWork,
    private readonly fences: SessionFences,
    private readonly leases: TurnLeasesRepository,
    private readonly takeover: TurnTakeoverService,
    private readonly turns: SessionTurnsService,
    private readonly interactions: SessionInteractionsService,
    private readonly endTurn: EndTurnFlow,
    private readonly config: StreamsConfig,
  ) {}

  /** Call it several times a lease. */
  async run(): Promise<void> {
    await this.inPages(
      (last) => this.leases.overdueSessions(BATCH, last),
      (tx, session) => this.take(tx, session),
    );
    await this.inPages(
      (last) => this.leases.strandedInboxes(BATCH, last),
      (tx, session) => this.promote(tx, session),
    );
    await this.inPages(
      (last) => this.leases.unreachableTurns(BATCH, last),
      (tx, session) => this.lose(tx, session),
    );
  }

  /** By pages that go on, so that sessions that cannot be dealt with do not hide those behind them. */
  private async inPages(
    read: (last: SessionKey | undefined) => Promise<SessionKey[]>,
    work: (tx: Transaction, session: SessionKey) => Promise<void>,
  ): Promise<void> {
    for (let last: SessionKey | undefined; ;) {
      const page = await read(last);
      if (!this.isInLastingContact()) return;
      for (const session of page) await this.oneByOne(session, work);
      last = page.at(-1);
      if (page.length < BATCH) return;
    }
  }

  /** Notes that the database answered. By the wall clock, which goes on while a machine sleeps. */
  private isInLastingContact(): boolean {
    const now = Date.now();
    const leaseMs = this.config.leaseSeconds * 1000;
    const gap = now - this.lastContact;
    // A clock that was set back is a break too.
    if (gap < 0 || gap > leaseMs / 2) this.contactSince = now;
    this.lastContact = now;
    return now - this.contactSince >= leaseMs;
  }

  private async take(tx: Transaction, session: SessionKey): Promise<void> {
    const taken = await this.takeover.takeOverdue(tx, session);
    if (taken?.end) await this.endTurn.within(tx, taken.turn, taken.end);
    else if (taken) {
      // Whoever asked is gone, and the next attempt asks again.
      await this.interactions.cancelForTurn(tx, taken.turn, 'attempt_lost');
      await this.endTurn.unlessItMayStart(tx, taken.turn);
    }
  }

  /** Every end promotes what waits; this is for the ends of a process that is older than the inbox. */
  private async promote(tx: Transaction, session: SessionKey): Promise<void> {
    if ((await this.fences.tryLock(tx, session)) === undefined) return;
    if (!(await this.turns.liveTurn(tx, session))) await this.endTurn.promoteNext(tx, session);
  }

  /** A turn that only one machine may take, where nobody takes turns any more. */
  private async lose(tx: Transaction, session: SessionKey): Promise<void> {
    if ((await this.fences.tryLock(tx, session)) === undefined) return;
    const turn = await this.leases.lockUnreachable(tx, session);
    if (turn) await this.endTurn.within(tx, turn, LOCAL_RUNNER_GONE);
  }

  private async oneByOne(
    session: SessionKey,
    work: (tx: Transaction, session: SessionKey) => Promise<void>,
  ): Promise<void> {
    try {
      await this.unitOfWork.run((tx) => work(tx, session));
    } catch (error) {
      // One session that cannot be dealt with must not hold up the others.
      this.logger.error({ event: 'sweep.failed', session_id: session.session_id, err: error });
    }
  }
}

const LOCAL_RUNNER_GONE: TurnEnd = {
  status: 'lost',
  stop_reason: null,
  usage: null,
  error: {
    code: 'local_runner_gone',
    message: `Only the machine where this turn was to run could take it, and no runner was there for ${LOCAL_RUNNER_GONE_SECONDS / 60} minutes.`,
  },
};
