import { Injectable } from '@nestjs/common';
import type { Transaction } from '@holdfast/platform-postgres';
import { Jobs } from '@holdfast/platform-queue';
import { TaskStates } from '@holdfast/sessions-sharing';
import { SessionTurnsRepository, TurnMilestones, type TurnMilestone, type TurnRow } from '@holdfast/sessions-streams';
import { TurnDeliveries } from './turn-deliveries.js';
import { TurnTasks } from './turn-tasks.js';

/** Everybody who keeps account of turns, in this order. */
@Injectable()
export class TurnFollowers extends TurnMilestones {
  private readonly deliveries: TurnDeliveries;
  private readonly tasks: TurnTasks;

  constructor(jobs: Jobs, states: TaskStates, turns: SessionTurnsRepository) {
    super();
    this.deliveries = new TurnDeliveries(jobs);
    this.tasks = new TurnTasks(states, turns);
  }

  async reached(tx: Transaction, turn: TurnRow, milestone: TurnMilestone): Promise<void> {
    await this.deliveries.reached(tx, turn, milestone);
    await this.tasks.reached(tx, turn, milestone);
  }
}
