import { Injectable } from '@nestjs/common';
import type { Transaction } from '@holdfast/platform-postgres';
import { Jobs } from '@holdfast/platform-queue';
import { Signals } from '@holdfast/platform-signals';
import { sessionsStreamsJobs } from '../sessions-streams.jobs.js';
import type { TurnRow } from './session-turns.repository.js';
import { queueChannel, queueSignal } from './turn-queue.channel.js';

/** Tells whoever may take a turn that it is in line. */
@Injectable()
export class TurnLine {
  constructor(
    private readonly jobs: Jobs,
    private readonly signals: Signals,
  ) {}

  /** Call wherever a turn becomes `queued`: runners of its pool are woken, or a worker is to call its service. */
  async announce(tx: Transaction, turn: TurnRow): Promise<void> {
    const { project_id, session_id, turn_id, pool } = turn;
    if (pool === null) {
      await this.jobs.enqueue(tx, sessionsStreamsJobs.startPushTurn, project_id, { session_id, turn_id });
    } else {
      tx.afterCommit(() => this.signals.publish(queueChannel(project_id, pool), queueSignal(turn)));
    }
  }
}
