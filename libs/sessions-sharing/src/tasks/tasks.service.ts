import { Injectable } from '@nestjs/common';
import { v7 as uuidv7 } from 'uuid';
import type { Principal } from '@holdfast/platform-auth';
import { UnitOfWork, type SessionKey, type Transaction } from '@holdfast/platform-postgres';
import { Jobs } from '@holdfast/platform-queue';
import { TaskActivity } from '../activity/task-activity.service.js';
import { TaskSessions } from '../ports/task-sessions.port.js';
import type { SessionTaskCreate } from './dto/session-task-create.dto.js';
import type { SessionTaskEdit } from './dto/session-task-edit.dto.js';
import type { TaskStop } from './dto/session-task-stop.dto.js';
import { sessionsSharingJobs } from './tasks.jobs.js';
import { toEventTask } from './session-task.mapper.js';
import { TaskFollowers } from './task-followers.js';
import { isEnded, type TaskError } from './task-state.rules.js';
import { TaskStates } from './task-states.service.js';
import { MAX_DEPTH, MAX_LIVE_CHILDREN, MAX_TASKS_PER_TREE, type TaskSource } from './task.rules.js';
import {
  TaskEnded,
  TaskExists,
  TaskFollowsTurn,
  TaskLimit,
  TaskNotFound,
  TaskSessionTaken,
  TaskStopping,
} from './tasks.errors.js';
import { TasksRepository, type TaskChange, type TaskRow } from './tasks.repository.js';

/** A task to be made. */
export interface TaskStart {
  project_id: string;
  /** Chosen here when absent. */
  task_id?: string;
  parent_task_id?: string;
  name?: string;
  title?: string;
  prompt?: string;
  location: TaskRow['location'];
  source: TaskSource;
  agent?: { name: string; revision?: number };
  /** That no other task has. */
  session_id?: string;
  /** Null where an agent of the tree makes it. */
  created_by_id: string | null;
}

/** A session that somebody runs, as the task that it becomes when its agent starts others. */
export type OwnTask = Pick<TaskStart, 'name' | 'title' | 'location' | 'source' | 'created_by_id'>;

/** Makes tasks and changes them by hand. What turns tell of them is for `TaskStates`. */
@Injectable()
export class TasksService {
  constructor(
    private readonly unitOfWork: UnitOfWork,
    private readonly tasks: TasksRepository,
    private readonly states: TaskStates,
    private readonly activity: TaskActivity,
    private readonly sessions: TaskSessions,
    private readonly followers: TaskFollowers,
    private readonly jobs: Jobs,
  ) {}

  /**
   * Makes a task as a user asks for it. The same id under the same parent again is that task. Errors: task_not_found,
   * task_exists, task_limit, task_stopping, session_not_found, task_session_taken.
   */
  create({ project_id, key_id }: Principal, create: SessionTaskCreate): Promise<TaskRow> {
    const source = create.location === 'local' ? 'cli' : 'api';
    return this.unitOfWork.run(async (tx) => {
      const session = create.session_id === undefined ? undefined : { project_id, session_id: create.session_id };
      const standing = session && (await this.sessions.standing(tx, session));
      const present = create.task_id && (await this.tasks.find({ project_id, task_id: create.task_id }, tx));
      if (!present && session) await this.requireFree(tx, session);
      const task = await this.make(tx, { ...create, project_id, source, created_by_id: key_id });
      return standing && !present ? this.states.follow(tx, task, standing) : task;
    });
  }

  /**
   * Makes a task as part of a larger change. Where it names a session, its fence is locked and no task has it. Errors:
   * task_not_found (the parent), task_exists, task_limit, task_stopping.
   */
  async make(tx: Transaction, start: TaskStart): Promise<TaskRow> {
    const { project_id, parent_task_id = null } = start;
    const task_id = start.task_id ?? uuidv7();
    const parent = parent_task_id === null ? undefined : await this.lockParent(tx, project_id, parent_task_id);
    const present = start.task_id === undefined ? undefined : await this.tasks.find({ project_id, task_id }, tx);
    if (present) return requireSame(present, parent_task_id);
    if (parent) await this.requireRoom(tx, parent);
    const spawn_order = parent ? await this.tasks.countChild(tx, parent) : 0;
    const made = await this.tasks.insert(tx, {
      project_id,
      task_id,
      parent_task_id,
      root_task_id: parent?.root_task_id ?? task_id,
      ancestor_ids: parent ? [...parent.ancestor_ids, parent.task_id] : [],
      spawn_order,
      spawn_path: parent ? [...parent.spawn_path, spawn_order] : [],
      name: start.name ?? null,
      title: start.title ?? null,
      prompt: start.prompt ?? null,
      location: start.location,
      session_id: start.session_id ?? null,
      agent_name: start.agent?.name ?? null,
      agent_revision: start.agent?.revision ?? null,
      source: start.source,
      has_activity_log: !parent,
      created_by_id: start.created_by_id,
    });
    if (!made) return requireSame((await this.tasks.find({ project_id, task_id }, tx))!, parent_task_id);
    if (!parent) await this.activity.createLog(tx, made);
    await this.activity.tell(tx, made, { type: 'task.created', data: { task: toEventTask(made) } });
    await this.followers.made(tx, made);
    return made;
  }

  /**
   * The task of a session, made as the root of a tree of its own where it has none. Locks the session's fence, and not
   * the task: whoever adds to the tree locks its root first. Errors: session_not_found.
   */
  async ensureOwn(tx: Transaction, session: SessionKey, own: OwnTask): Promise<TaskRow> {
    const standing = await this.sessions.standing(tx, session);
    const present = await this.tasks.ofSession(session, tx);
    if (present) return present;
    const task = await this.make(tx, { ...own, ...session });
    return standing ? this.states.follow(tx, task, standing) : task;
  }

  /**
   * Changes what is named. Errors: task_not_found; task_ended, task_follows_turn of a state; task_ended, session_not_found,
   * task_session_taken of a session.
   */
  edit({ project_id, key_id }: Principal, task_id: string, edit: SessionTaskEdit): Promise<TaskRow> {
    return this.unitOfWork.run(async (tx) => {
      const { session_id, state, ...plain } = edit;
      const before = await this.tasks.find({ project_id, task_id }, tx);
      if (!before) throw TaskNotFound({ task_id });
      // The fence comes before the task.
      const session =
        session_id === undefined || before.session_id === session_id ? undefined : { project_id, session_id };
      requireLinkable(before, session_id);
      const standing = session && (await this.sessions.standing(tx, session));
      const task = (await this.tasks.lock(tx, { project_id, task_id }))!;
      requireLinkable(task, session_id);
      requireSettable(task, state);
      const change = changed(task, { ...plain, ...(state !== undefined && { state }) });
      const isLinked = session !== undefined && task.session_id !== session.session_id;
      if (isLinked) await this.requireFree(tx, session);
      if (Object.keys(change).length === 0 && !isLinked) return task;
      const link = isLinked && { session_id, turn_id: null, turn_index: null, turn_ended: false };
      let edited = await this.tasks.update(tx, task, { ...change, ...link }, key_id);
      if (isLinked && standing) edited = await this.states.follow(tx, edited, standing, { silent: true });
      const type = isLinked ? 'task.session_linked' : 'task.updated';
      await this.activity.tell(tx, edited, { type, data: { task: toEventTask(edited) } });
      if (isLinked) await this.followers.linked(tx, edited);
      return edited;
    });
  }

  /** Notes why a task did not start. One that has ended stays as it is. Errors: task_not_found. */
  async fail(tx: Transaction, { project_id, task_id }: Pick<TaskRow, 'project_id' | 'task_id'>, error: TaskError) {
    const task = await this.tasks.lock(tx, { project_id, task_id });
    if (!task) throw TaskNotFound({ task_id });
    if (isEnded(task.state)) return task;
    return this.states.end(tx, task, error.kind === 'platform' ? 'error' : 'failed', error);
  }

  /**
   * Says that a task and everything below it is to stop, and leaves the job that does it, in one commit; from then on
   * nothing is made there. Returns how many are to stop. Errors: task_not_found.
   */
  stop(
    { project_id, key_id }: Principal,
    task_id: string,
    stopping: TaskStop,
  ): Promise<{ top: TaskRow; marked: number }> {
    return this.unitOfWork.run(async (tx) => {
      const top = await this.tasks.lockWithRoot(tx, { project_id, task_id });
      if (!top) throw TaskNotFound({ task_id });
      const marked = await this.tasks.markStopping(tx, top, stopping, key_id);
      const { root_task_id } = top;
      await this.jobs.enqueue(tx, sessionsSharingJobs.stopTasks, project_id, { root_task_id });
      return { top, marked };
    });
  }

  /**
   * The session of a task is deleted: the task stays in its tree without one, as it ended, else cancelled. Call with the
   * session's fence locked, once nothing runs in it.
   */
  async deleteSession(tx: Transaction, session: SessionKey): Promise<void> {
    const task = await this.tasks.lockOfSession(tx, session);
    if (!task) return;
    const loose = { session_id: null, turn_id: null, turn_index: null, turn_ended: false };
    const left = await this.tasks.update(tx, task, loose, null);
    if (isEnded(left.state))
      await this.activity.tell(tx, left, { type: 'task.updated', data: { task: toEventTask(left) } });
    else await this.states.end(tx, left, 'cancelled', null);
  }

  /** How many of a subtree are to stop still. */
  remaining(top: TaskRow): Promise<number> {
    return this.tasks.countStopping(top);
  }

  private async lockParent(tx: Transaction, project_id: string, task_id: string): Promise<TaskRow> {
    const parent = await this.tasks.lockWithRoot(tx, { project_id, task_id });
    if (!parent) throw TaskNotFound({ task_id });
    return parent;
  }

  private async requireRoom(tx: Transaction, parent: TaskRow): Promise<void> {
    const room = await this.tasks.room(tx, parent);
    if (room.is_stopping) throw TaskStopping({ task_id: parent.task_id });
    if (parent.depth >= MAX_DEPTH) throw TaskLimit({ what: 'depth', limit: MAX_DEPTH });
    if (room.live_children >= MAX_LIVE_CHILDREN) throw TaskLimit({ what: 'live_children', limit: MAX_LIVE_CHILDREN });
    if (room.tasks >= MAX_TASKS_PER_TREE) throw TaskLimit({ what: 'tasks', limit: MAX_TASKS_PER_TREE });
  }

  private async requireFree(tx: Transaction, session: SessionKey): Promise<void> {
    const other = await this.tasks.ofSession(session, tx);
    if (other) throw TaskSessionTaken({ session_id: session.session_id, task_id: other.task_id });
  }
}

/** Errors: task_exists. */
function requireSame(present: TaskRow, parent_task_id: string | null): TaskRow {
  if (present.parent_task_id !== parent_task_id) throw TaskExists({ task_id: present.task_id });
  return present;
}

/** Errors: task_ended. */
function requireLinkable({ task_id, state, location, session_id }: TaskRow, wanted: string | undefined): void {
  if (wanted === undefined || !isEnded(state)) return;
  if (location !== 'local' || session_id !== wanted) throw TaskEnded({ task_id, state });
}

/** Errors: task_ended, task_follows_turn. */
function requireSettable({ task_id, state, turn_id }: TaskRow, wanted: TaskRow['state'] | undefined): void {
  if (wanted === undefined || wanted === state) return;
  if (turn_id !== null) throw TaskFollowsTurn({ task_id, state });
  if (isEnded(state)) throw TaskEnded({ task_id, state });
}

/** What of an edit is not so already. */
function changed(task: TaskRow, edit: TaskChange): TaskChange {
  const entries = Object.entries(edit) as [keyof TaskChange, unknown][];
  return Object.fromEntries(
    entries.filter(([field, value]) => value !== undefined && !isSame(task[field], value)),
  ) as TaskChange;
}

/** Errors have their fields in whatever order PostgreSQL keeps them. */
function isSame(one: unknown, other: unknown): boolean {
  if (typeof one !== 'object' || typeof other !== 'object' || one === null || other === null) return one === other;
  return Object.entries(other).every(([field, value]) => (one as Record<string, unknown>)[field] === value);
}
