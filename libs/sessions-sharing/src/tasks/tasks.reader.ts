import { Injectable } from '@nestjs/common';
import { notPrivateToOthers, SessionAccess, type Principal, type SharePrincipal } from '@holdfast/platform-auth';
import { CursorMalformed, decodeCursor, encodeCursor } from '@holdfast/platform-http';
import type { SessionFilter } from '@holdfast/platform-postgres';
import { TaskActivity } from '../activity/task-activity.service.js';
import type { SessionTaskNames, SessionTaskPage, SessionTaskQuery } from './dto/session-task-query.dto.js';
import type { SessionTask } from './dto/session-task.dto.js';
import { toSessionTask } from './session-task.mapper.js';
import { displayName } from './task.rules.js';
import { TaskViews, type TaskView } from './task-view.js';
import { TaskNotFound } from './tasks.errors.js';
import { isWithin, TasksRepository, type SubtreeCount, type TaskFilter, type TaskRow } from './tasks.repository.js';

/** Answers how trees of tasks stand, as far as the caller may see them. */
@Injectable()
export class TasksReader {
  constructor(
    private readonly tasks: TasksRepository,
    private readonly activity: TaskActivity,
    private readonly views: TaskViews,
    private readonly access: SessionAccess,
  ) {}

  /** Errors: task_not_found. */
  async fetch(principal: Principal, task_id: string): Promise<SessionTask> {
    const view = await this.views.of(principal);
    const row = await this.require(principal, task_id);
    return (await this.tell(principal.project_id, [row], view))[0]!;
  }

  /** The task of a session, if it has one and the caller may see it. */
  async ofSession(principal: Principal, session_id: string): Promise<SessionTask | null> {
    const view = await this.views.of(principal);
    const row = await this.seenOfSession(principal, session_id);
    return row ? (await this.tell(principal.project_id, [row], view))[0]! : null;
  }

  /** Errors: task_not_found when a task that the query names is none, cursor_malformed. */
  async query(principal: Principal, query: SessionTaskQuery): Promise<SessionTaskPage> {
    const { project_id } = principal;
    const view = await this.views.of(principal);
    const { filter, asked } = await this.filterOf(principal, query, view);
    // Before the list: whatever comes between is told twice, and not never.
    const isFollowed = view === undefined || view?.below === true;
    const activity = asked && isFollowed ? await this.placeOf(principal, asked, view) : null;
    if (!filter) return { data: [], next_cursor: null, activity };
    const rows = await this.tasks.list(filter, placeAt(query.cursor), query.limit + 1);
    const page = rows.slice(0, query.limit);
    const last = rows.length > query.limit ? page.at(-1) : undefined;
    return {
      data: await this.tell(project_id, page, view),
      next_cursor: last ? encodeCursor({ root: last.root_task_id, path: last.spawn_path.join('.') }) : null,
      activity,
    };
  }

  /** What tasks are shown as, of the trees that the caller has a part of. Those that are unknown are left out. */
  async names(principal: Principal, task_ids: string[]): Promise<SessionTaskNames> {
    const view = await this.views.of(principal);
    if (view === null) return { data: [] };
    const rows = await this.tasks.names(principal.project_id, task_ids, view?.top ?? this.access.filter(principal));
    return { data: rows.map((row) => ({ task_id: row.task_id, name: displayName(row) })) };
  }

  /** The nearest activity log that the caller may follow for a task; null when there is none. */
  async activityOf(principal: Principal, task_id: string) {
    const view = await this.views.of(principal);
    if (view === null || view?.below === false) return null;
    const row = await this.require(principal, task_id);
    return this.placeOf(principal, row, view);
  }

  private async placeOf(principal: Principal, task: TaskRow, view: TaskView | undefined) {
    const place = await this.activity.placeOf(task, view?.top);
    if (!place) return null;
    const reached = await this.access.reachedActivities(principal, [place.task_id]);
    return reached.has(place.task_id) ? place : null;
  }

  /** The rows that a query is about, if it can be about any, and the task whose activity tells of them. */
  private async filterOf(
    principal: Principal,
    query: SessionTaskQuery,
    view: TaskView | null | undefined,
  ): Promise<{ filter: TaskFilter | undefined; asked: TaskRow | undefined }> {
    const { project_id } = principal;
    const { parent_task_id, ancestor_task_id, root_task_id, session_id, states } = query;
    const named = [parent_task_id, ancestor_task_id, root_task_id].filter((one) => one !== undefined);
    const rows = new Map<string, TaskRow>();
    for (const task_id of named) rows.set(task_id, await this.require(principal, task_id));
    const ofSession = session_id === undefined ? undefined : await this.seenOfSession(principal, session_id);
    const asked = rows.get(ancestor_task_id ?? parent_task_id ?? root_task_id ?? '') ?? ofSession;
    if (view === null || (session_id !== undefined && !ofSession)) return { filter: undefined, asked: undefined };

    const sessions = principal.kind === 'share' ? ofWhoShared(principal) : this.access.filter(principal);
    const base = { project_id, parent_task_id, session_id, states, sessions };
    // Who sees nothing below the top sees no more of it than its own task.
    if (view && !view.below) {
      const isEmpty = parent_task_id !== undefined || ancestor_task_id !== undefined;
      return { filter: isEmpty ? undefined : { ...base, task_id: view.top.task_id }, asked };
    }
    const root = root_task_id === undefined ? undefined : rows.get(root_task_id)!;
    const ancestor = ancestor_task_id === undefined ? undefined : rows.get(ancestor_task_id)!;
    // A task below the top of a tree is not its root.
    if (root && root.task_id !== (view?.top.task_id ?? root.root_task_id)) return { filter: undefined, asked };
    if (root && ancestor && !isWithin(ancestor, root)) return { filter: undefined, asked };
    const top = ancestor ?? root ?? view?.top;
    const within = top && { ...top, withTop: !ancestor };
    return { filter: { ...base, within }, asked: asked ?? view?.top };
  }

  /** Errors: task_not_found. */
  private async require(principal: Principal, task_id: string): Promise<TaskRow> {
    await this.access.requireTask(principal, task_id, 'reader');
    const row = await this.tasks.find({ project_id: principal.project_id, task_id });
    if (!row) throw TaskNotFound({ task_id });
    return row;
  }

  private async seenOfSession(principal: Principal, session_id: string): Promise<TaskRow | undefined> {
    const reached = await this.access.reached(principal, [session_id]);
    return reached.has(session_id) ? this.tasks.ofSession({ project_id: principal.project_id, session_id }) : undefined;
  }

  private async tell(project_id: string, rows: TaskRow[], view: TaskView | null | undefined): Promise<SessionTask[]> {
    const parents = rows.filter(({ children_count }) => children_count > 0).map(({ task_id }) => task_id);
    const counts = new Map<string, SubtreeCount[]>(rows.map(({ task_id }) => [task_id, []]));
    if (parents.length > 0) {
      for (const count of await this.tasks.subtreeCounts(project_id, parents)) counts.get(count.task_id)!.push(count);
    }
    return rows.map((row) => toSessionTask(row, counts.get(row.task_id)!, view ?? undefined));
  }
}

/** Leaves out the private sessions of other keys than that of whoever shared: what else is within reach, the view says. */
const ofWhoShared =
  ({ project_id, share }: SharePrincipal): SessionFilter =>
  (column, bind) =>
    notPrivateToOthers(`${bind(project_id)}::uuid`, column, `${bind(share.maker_id)}::uuid`);

/** Errors: cursor_malformed. */
function placeAt(cursor: string | undefined) {
  const key = decodeCursor(cursor, { root: 'uuid', path: 'string' });
  if (!key) return undefined;
  if (!/^(\d{1,9}(\.\d{1,9}){0,15})?$/.test(key.path)) throw CursorMalformed();
  return { root_task_id: key.root, spawn_path: key.path === '' ? [] : key.path.split('.').map(Number) };
}
