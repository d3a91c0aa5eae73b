import { Injectable } from '@nestjs/common';
import type { Transaction } from '@holdfast/platform-postgres';
import type { TaskRow } from './tasks.repository.js';

/** Whoever does something of its own when a task is made or gets its session. Told in the transaction of the fact. */
export abstract class TaskFollowers {
  /** The task was made; with a session where its row has one. */
  abstract made(tx: Transaction, task: TaskRow): Promise<void>;

  /** A task that was made before got this session. */
  abstract linked(tx: Transaction, task: TaskRow): Promise<void>;

  /** Somebody has taken the task. */
  abstract started(tx: Transaction, task: TaskRow): Promise<void>;
}

@Injectable()
export class NoTaskFollowers extends TaskFollowers {
  async made(): Promise<void> {}

  async linked(): Promise<void> {}

  async started(): Promise<void> {}
}
