import { Injectable } from '@nestjs/common';
import type { Transaction } from '@holdfast/platform-postgres';
import { TaskFollowers } from '../tasks/task-followers.js';
import type { TaskRow } from '../tasks/tasks.repository.js';
import { SharesService } from './shares.service.js';

/** What becomes of shares when a task gets its session, and when it starts. */
@Injectable()
export class ShareFollowers extends TaskFollowers {
  constructor(private readonly shares: SharesService) {
    super();
  }

  made(tx: Transaction, task: TaskRow): Promise<void> {
    return this.linked(tx, task);
  }

  async linked(tx: Transaction, task: TaskRow): Promise<void> {
    if (task.session_id !== null) await this.shares.sessionGotTask(tx, task);
  }

  /** A remote one is shared from its start; what runs on a user's own machine is shared by its user, or not at all. */
  async started(tx: Transaction, task: TaskRow): Promise<void> {
    if (task.location === 'remote') await this.shares.shareTask(tx, task);
  }
}
