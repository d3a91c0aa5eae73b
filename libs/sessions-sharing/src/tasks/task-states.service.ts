import { Injectable } from '@nestjs/common';
import type { SessionKey, Transaction } from '@holdfast/platform-postgres';
import { Jobs } from '@holdfast/platform-queue';
import { TaskActivity } from '../activity/task-activity.service.js';
import { TaskPost } from '../messages/task-post.service.js';
import { toEventTask } from './session-task.mapper.js';
import { TaskFollowers } from './task-followers.js';
import {
  afterTurnFact,
  failureOf,
  isEnded,
  isTaken,
  type TaskError,
  type TaskState,
  type TurnFact,
} from './task-state.rules.js';
import { sessionsSharingJobs } from './tasks.jobs.js';
import { TasksRepository, type TaskRow } from './tasks.repository.js';

/** Keeps tasks in step with the turns of their sessions. Runs in the transaction of the fact, with the session's fence held. */
@Injectable()
export class TaskStates {
  constructor(
    private readonly tasks: TasksRepository,
    private readonly activity: TaskActivity,
    private readonly post: TaskPost,
    private readonly followers: TaskFollowers,
    private readonly jobs: Jobs,
  ) {}

  /** Something became of a turn of the session. Changes nothing where that has no task. */
  async told(tx: Transaction, session: SessionKey, fact: TurnFact): Promise<void> {
    const task = await this.tasks.lockOfSession(tx, session);
    if (task) await this.follow(tx, task, fact);
  }

  /** The prompt that was to take the place of the session's last turn does not start. */
  async refused(tx: Transaction, session: SessionKey, error: TurnFact['error']): Promise<void> {
    const task = await this.tasks.lockOfSession(tx, session);
    if (task && !isEnded(task.state)) await this.end(tx, task, 'failed', failureOf('failed', error));
  }

  /** The task of the session, locked, for whoever must look before it tells. */
  lock(tx: Transaction, session: SessionKey): Promise<TaskRow | undefined> {
    return this.tasks.lockOfSession(tx, session);
  }

  /** Makes a locked task what the fact says. `silent`: the caller tells of the change, with one of its own. */
  async follow(tx: Transaction, task: TaskRow, fact: TurnFact, { silent = false } = {}): Promise<TaskRow> {
    const change = afterTurnFact(task, fact);
    if (!change) return task;
    const { turn_id, turn_index, agent, harness } = fact;
    const pinned = { turn_id, turn_index, agent_name: agent.name, agent_revision: agent.revision, harness };
    const hasEnded = isEnded(change.state);
    const rest = hasEnded ? { stopping: null, stopping_by_id: null } : {};
    const next = await this.tasks.update(tx, task, { ...change, ...pinned, ...rest }, null);
    const isSeen =
      next.state !== task.state ||
      next.waiting !== task.waiting ||
      next.agent_name !== task.agent_name ||
      next.agent_revision !== task.agent_revision ||
      next.harness !== task.harness;
    if (isSeen && !silent) await this.tell(tx, next);
    // It may be taken already when the task is made, or gets its session.
    const wasTaken = isTaken(task.state) && task.turn_id === turn_id;
    if (isTaken(next.state) && !wasTaken) await this.followers.started(tx, next);
    if (hasEnded && !isEnded(task.state)) await this.post.ended(tx, next);
    // Whatever it was told, what stops it must look again: a turn that took another's place, or the level above.
    if (task.stopping) await this.stopFurther(tx, task);
    return next;
  }

  /** Ends a locked task that no turn speaks for. */
  async end(tx: Transaction, task: TaskRow, state: TaskState, error: TaskError | null): Promise<TaskRow> {
    const next = await this.tasks.update(tx, task, { state, error, stopping: null, stopping_by_id: null }, null);
    await this.tell(tx, next);
    await this.post.ended(tx, next);
    return next;
  }

  /**
   * Nothing of a task that was to stop runs any more: it is cancelled, unless it has ended otherwise. Call with the
   * fence of its session locked, where it has one.
   */
  async stopped(tx: Transaction, key: Pick<TaskRow, 'project_id' | 'task_id'>): Promise<void> {
    const task = await this.tasks.lock(tx, key);
    if (!task?.stopping) return;
    if (isEnded(task.state)) await this.tasks.update(tx, task, { stopping: null, stopping_by_id: null }, null);
    else await this.end(tx, { ...task, turn_ended: true }, 'cancelled', null);
  }

  private tell(tx: Transaction, task: TaskRow): Promise<void> {
    return this.activity.tell(tx, task, { type: 'task.updated', data: { task: toEventTask(task) } });
  }

  private async stopFurther(tx: Transaction, { project_id, root_task_id }: TaskRow): Promise<void> {
    await this.jobs.enqueue(tx, sessionsSharingJobs.stopTasks, project_id, { root_task_id });
  }
}
