import type { SessionTask, SessionTaskCounts, SessionTaskFacts, SessionTaskSubtree } from './dto/session-task.dto.js';
import { rollUp, statusOf, TASK_STATES, type SubtreeStatus } from './task-state.rules.js';
import { displayName } from './task.rules.js';
import type { TaskView } from './task-view.js';
import { LISTED_PROMPT, type SubtreeCount, type TaskRow } from './tasks.repository.js';

/** What is told of a task, as the whole tree has it. */
export function toTaskFacts(row: TaskRow): SessionTaskFacts {
  return {
    task_id: row.task_id,
    parent_task_id: row.parent_task_id,
    root_task_id: row.root_task_id,
    depth: row.depth,
    spawn_order: row.spawn_order,
    spawn_path: row.spawn_path,
    name: displayName(row),
    title: row.title,
    prompt: row.prompt,
    location: row.location,
    state: row.state,
    waiting: row.waiting,
    error: row.error,
    session_id: row.session_id,
    agent: row.agent_name === null ? null : { name: row.agent_name, revision: row.agent_revision },
    harness: row.harness,
    source: row.source,
    children_count: row.children_count,
    created_at: row.created_at.toISOString(),
    started_at: row.started_at?.toISOString() ?? null,
    ended_at: row.ended_at?.toISOString() ?? null,
    updated_at: row.updated_at.toISOString(),
    created_by_id: row.created_by_id,
  };
}

/** As the events of an activity log have it. */
export function toEventTask(row: TaskRow): SessionTaskFacts {
  return { ...toTaskFacts(row), prompt: row.prompt?.slice(0, LISTED_PROMPT) ?? null };
}

/** As somebody sees it who may see everything, or the part that `view` shows: its top looks like a root then. */
export function toSessionTask(row: TaskRow, counts: SubtreeCount[], view: TaskView | undefined): SessionTask {
  const isAlone = view !== undefined && !view.below;
  const own: SubtreeCount = { task_id: row.task_id, state: row.state, waiting: row.waiting, count: 1 };
  const facts = toTaskFacts(row);
  return {
    ...facts,
    ...(view && seenFrom(view.top, row)),
    ...(isAlone && { children_count: 0 }),
    subtree: toSubtree(row, isAlone || counts.length === 0 ? [own] : counts),
  };
}

/** The place of a task in its tree. */
type TaskPlace = Pick<
  SessionTaskFacts,
  'task_id' | 'parent_task_id' | 'root_task_id' | 'depth' | 'spawn_order' | 'spawn_path'
>;

/** Where a task is to those who see `top` and what is below it: that looks like a root, and nothing leads above it. */
export function seenFrom(top: Pick<TaskPlace, 'task_id' | 'depth'>, place: TaskPlace): TaskPlace {
  const { task_id, parent_task_id, depth, spawn_order, spawn_path } = place;
  const isTop = task_id === top.task_id;
  return {
    task_id,
    parent_task_id: isTop ? null : parent_task_id,
    root_task_id: top.task_id,
    depth: depth - top.depth,
    spawn_order: isTop ? 0 : spawn_order,
    spawn_path: spawn_path.slice(top.depth),
  };
}

/** `counts` are those of the task and of everything below it. */
function toSubtree(row: TaskRow, counts: SubtreeCount[]): SessionTaskSubtree {
  const states = Object.fromEntries(TASK_STATES.map((state) => [state, 0])) as unknown as SessionTaskCounts;
  const below = new Set<SubtreeStatus>();
  let total = 0;
  for (const { state, waiting, count } of counts) {
    states[state] += count;
    total += count;
    const isOwn = state === row.state && waiting === row.waiting;
    if (count > (isOwn ? 1 : 0)) below.add(statusOf(state, waiting));
  }
  return { status: rollUp(statusOf(row.state, row.waiting), below), total, states };
}
