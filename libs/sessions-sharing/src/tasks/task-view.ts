import { Injectable } from '@nestjs/common';
import type { Principal } from '@holdfast/platform-auth';
import { TasksRepository, type TaskRow } from './tasks.repository.js';

/** What of a tree somebody sees who came through a share: its host, and what is below it where the share says so. */
export interface TaskView {
  top: TaskRow;
  below: boolean;
}

/** Finds what of the project's trees a caller may see. */
@Injectable()
export class TaskViews {
  constructor(private readonly tasks: TasksRepository) {}

  /** Undefined: everything. Null: no task at all, of a share whose host has none. */
  async of(principal: Principal): Promise<TaskView | null | undefined> {
    if (principal.kind !== 'share') return undefined;
    const { project_id, share } = principal;
    const top = share.task_id === null ? undefined : await this.tasks.find({ project_id, task_id: share.task_id });
    return top ? { top, below: share.scope === 'tree' } : null;
  }
}
