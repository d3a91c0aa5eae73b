import { Injectable } from '@nestjs/common';
import { LogLifecycle, LogReader, offsetAt } from '@holdfast/durable-streams';
import type { Transaction } from '@holdfast/platform-postgres';
import { Signals } from '@holdfast/platform-signals';
import type { SessionTaskActivityPlace } from '../tasks/dto/session-task-query.dto.js';
import { TasksRepository, type TaskRow } from '../tasks/tasks.repository.js';
import { activityLogPath, type TaskActivityEvent } from './task-activity.events.js';

/** The installation's: whoever relays serves all projects. */
export const ACTIVITY_CHANNEL = 'task-activity';

/** The task that an event is of, and whoever else is to see it, all of one tree. */
type Concerned = Pick<TaskRow, 'project_id' | 'task_id' | 'root_task_id' | 'ancestor_ids'>;

/**
 * Tells of tasks. An event is a row in the commit of its fact; the relayer brings it to the activity logs of the task
 * and of all above it, as far as they have one then. So no transaction waits for a log that a whole tree shares.
 */
@Injectable()
export class TaskActivity {
  constructor(
    private readonly tasks: TasksRepository,
    private readonly lifecycle: LogLifecycle,
    private readonly reader: LogReader,
    private readonly signals: Signals,
  ) {}

  /** Tells the logs above `task`, and above those that it `concerns` as well, each once. Call with the task locked. */
  async tell(
    tx: Transaction,
    task: Concerned,
    { type, data }: TaskActivityEvent,
    concerns: readonly Concerned[] = [],
  ): Promise<void> {
    const { project_id, root_task_id, task_id } = task;
    const logs = new Set([task, ...concerns].flatMap((one) => [...one.ancestor_ids, one.task_id]));
    const event = { type, at: new Date().toISOString(), task_id, data };
    await tx.query(
      `INSERT INTO task_activity (project_id, root_task_id, log_task_ids, event) VALUES ($1, $2, $3, $4)`,
      [project_id, root_task_id, [...logs], JSON.stringify(event)],
    );
    tx.afterCommit(() => this.signals.publish(ACTIVITY_CHANNEL, ''));
  }

  /** Gives a task an activity log of its own, unless it has one: from then on it tells of everything at and below it. */
  async openLog(tx: Transaction, task: Pick<TaskRow, 'project_id' | 'task_id'>): Promise<void> {
    await this.createLog(tx, task);
    await this.tasks.setActivityLog(tx, task);
  }

  /** The log of a task that is being made. A session below may be private, so no pattern tells of it. */
  createLog(tx: Transaction, { project_id, task_id }: Pick<TaskRow, 'project_id' | 'task_id'>): Promise<void> {
    const key = { project_id, path: activityLogPath(task_id) };
    return this.lifecycle.createWithin(tx, key, { generation: 1, projected: false, unlisted: true });
  }

  /** What tells of everything at and below a task, and where it ends now: the nearest log at or above it. */
  async placeOf(task: TaskRow, notAbove?: TaskRow): Promise<SessionTaskActivityPlace | null> {
    const { project_id } = task;
    const candidates = task.has_activity_log
      ? [task]
      : (await this.tasks.findMany(project_id, task.ancestor_ids)).filter(
          (one) => one.has_activity_log && (!notAbove || one.depth >= notAbove.depth),
        );
    const nearest = candidates.at(-1);
    if (!nearest) return null;
    const path = activityLogPath(nearest.task_id);
    const head = await this.reader.head({ project_id, path });
    return { task_id: nearest.task_id, path: `/v1/stream/${path}`, offset: offsetAt(head, head.tail) };
  }
}
