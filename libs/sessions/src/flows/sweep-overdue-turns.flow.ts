import { Injectable, Logger } from '@nestjs/common';
import { UnitOfWork, type SessionKey } from '@holdfast/platform-postgres';
import { SessionTurnsRepository, SessionTurnsService, StreamsConfig } from '@holdfast/sessions-streams';
import { EndTurnFlow } from './end-turn.flow.js';

const BATCH = 50;

/**
 * Takes sessions whose owner let its lease run out, or whose turn did not stop in time, from their owner. One
 * transaction a session, safe with any number of sweepers.
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
    private readonly repository: SessionTurnsRepository,
    private readonly turns: SessionTurnsService,
    private readonly endTurn: EndTurnFlow,
    private readonly config: StreamsConfig,
  ) {}

  /** Call it several times a lease. */
  async run(): Promise<void> {
    const overdue = await this.repository.overdueSessions(BATCH);
    if (!this.isInLastingContact()) return;
    for (const session of overdue) await this.take(session);
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

  private async take(session: SessionKey): Promise<void> {
    try {
      await this.unitOfWork.run(async (tx) => {
        const taken = await this.turns.takeOverdue(tx, session);
        if (taken?.end) await this.endTurn.within(tx, taken.turn, taken.end);
      });
    } catch (error) {
      // One session that cannot be taken must not hold up the others.
      this.logger.error({ event: 'sweep.failed', session_id: session.session_id, err: error });
    }
  }
}
