import type { HoldfastClient } from '../holdfast-client.js';
import { SessionTaskFromJSON } from '../generated/models/SessionTask.js';
import type { SessionTaskPage } from '../generated/models/SessionTaskPage.js';
import type { SessionEvent } from '../session-event.js';
import type { TaskFact } from './task-tree.js';
import type { TreeTask } from './tree-task.js';

export interface TaskList {
  tasks: TreeTask[];
  /** The log that tells everything that is newer than the list. */
  activity: SessionTaskPage['activity'];
}

/** All tasks below one, page by page. */
export async function listTasks(
  client: HoldfastClient,
  ancestor_task_id: string,
  signal?: AbortSignal,
): Promise<TaskList> {
  const tasks: TreeTask[] = [];
  let activity: SessionTaskPage['activity'] | undefined;
  for (let cursor: string | undefined; ;) {
    const SessionTaskQuery = { ancestor_task_id, cursor, limit: 200 };
    const page = await client.tasks.querySessionTasks({ SessionTaskQuery }, { signal });
    tasks.push(...page.data);
    // The first one: it was read before all of the list.
    activity ??= page.activity;
    if (page.next_cursor === null) return { tasks, activity: activity ?? null };
    cursor = page.next_cursor;
  }
}

/** The task that an event of an activity log tells of, where it tells it whole. */
export function taskIn({ data }: SessionEvent): TreeTask | undefined {
  const task = data['task'];
  return typeof task === 'object' && task !== null ? SessionTaskFromJSON(task) : undefined;
}

/** The part of a task that an event of an activity log tells of. */
export function factIn(event: SessionEvent): TaskFact | undefined {
  const { task_id } = event as SessionEvent & { task_id?: string };
  const { state, waiting, session_id } = event.data as Partial<TaskFact>;
  if (!event.type.startsWith('task.') || task_id === undefined) return undefined;
  if (state === undefined && waiting === undefined && session_id === undefined) return undefined;
  return { task_id, at: event.at, state, waiting, session_id };
}
