import { Injectable } from '@nestjs/common';
import type { Principal } from '@holdfast/platform-auth';
import { UnitOfWork } from '@holdfast/platform-postgres';
import type { SessionTaskActivityPlace, SessionTaskName } from '../tasks/dto/session-task-query.dto.js';
import type { SessionTask } from '../tasks/dto/session-task.dto.js';
import { displayName } from '../tasks/task.rules.js';
import { TasksReader } from '../tasks/tasks.reader.js';
import { TasksRepository } from '../tasks/tasks.repository.js';

/** Most siblings, and most children, whose names are told. */
const NAMED = 200;

/**
 * The parent, the task, its siblings, its children: those that a transcript speaks of. A name opens nothing, so whoever
 * reaches the task gets all of them.
 */
const NAMES = `
  WITH own AS (SELECT parent_task_id, task_id, name, title FROM tasks WHERE project_id = $1 AND task_id = $2)
  SELECT task_id, name, title FROM (
    SELECT 0 AS part, 0 AS spawn_order, parent.task_id, parent.name, parent.title
      FROM own JOIN tasks parent ON parent.project_id = $1 AND parent.task_id = own.parent_task_id
    UNION ALL
    SELECT 1, 0, task_id, name, title FROM own
    UNION ALL
    (SELECT 2, sibling.spawn_order, sibling.task_id, sibling.name, sibling.title
       FROM own JOIN tasks sibling ON sibling.project_id = $1 AND sibling.parent_task_id = own.parent_task_id
      WHERE sibling.task_id <> own.task_id ORDER BY sibling.spawn_order LIMIT ${NAMED})
    UNION ALL
    (SELECT 3, spawn_order, task_id, name, title FROM tasks
      WHERE project_id = $1 AND parent_task_id = $2 ORDER BY spawn_order LIMIT ${NAMED})
  ) named ORDER BY part, spawn_order`;

/** What of its tree somebody needs who joins a session. */
@Injectable()
export class JoinedTasksReader {
  constructor(
    private readonly unitOfWork: UnitOfWork,
    private readonly tasks: TasksRepository,
    private readonly reader: TasksReader,
  ) {}

  /** The log that tells of the tree below, with its end; null without a tree, and for whoever may not see one. */
  async activity(principal: Principal, session_id: string | null): Promise<SessionTaskActivityPlace | null> {
    const task_id = await this.taskIdOf(principal, session_id);
    return task_id === null ? null : this.reader.activityOf(principal, task_id);
  }

  async ofSession(
    principal: Principal,
    session_id: string | null,
  ): Promise<{ task: SessionTask | null; names: SessionTaskName[] }> {
    const task_id = await this.taskIdOf(principal, session_id);
    if (task_id === null) return { task: null, names: [] };
    const [task, names] = await Promise.all([
      this.reader.fetch(principal, task_id),
      this.unitOfWork.query<{ task_id: string; name: string | null; title: string | null }>(NAMES, [
        principal.project_id,
        task_id,
      ]),
    ]);
    return { task, names: names.map((row) => ({ task_id: row.task_id, name: displayName(row) })) };
  }

  private async taskIdOf(principal: Principal, session_id: string | null): Promise<string | null> {
    if (session_id === null) return principal.kind === 'share' ? principal.share.task_id : null;
    const task = await this.tasks.ofSession({ project_id: principal.project_id, session_id });
    return task?.task_id ?? null;
  }
}
