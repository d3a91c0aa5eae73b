import { knownState, subtreeStatus, type SubtreeStatus } from './task-state.rules.js';
import type { TreeTask } from './tree-task.js';

/** What is known of a task that need not be known itself yet. */
export interface TaskFact {
  task_id: string;
  /** ISO 8601. */
  at: string;
  state?: string;
  waiting?: boolean;
  session_id?: string;
}

export type TreeChange =
  | { kind: 'task_appeared'; task: TreeTask }
  | { kind: 'task_changed'; task: TreeTask }
  /** The task has a session now, or another one than before: once for each. */
  | { kind: 'materialise'; task: TreeTask; session_id: string; previous_session_id: string | null };

/** Most of each kept of tasks that are not known to be of this tree: as many as a tree can have tasks. */
const MAX_PARKED = 10_000;

/**
 * The tasks of a tree as lists and the activity log tell of them, in whichever order those come: the newest word on a task
 * counts. A task that a list leaves out stays.
 */
export class TaskTree {
  private readonly known = new Map<string, TreeTask>();
  private readonly below = new Map<string, Set<string>>();
  private readonly orphans = new Map<string, TreeTask>();
  private readonly bySession = new Map<string, string>();
  private readonly parked = new Map<string, TaskFact[]>();
  private parkedCount = 0;
  private hostId: string | null;

  /** `host` is the task at the top; null while it is not known. */
  constructor(host: string | null = null) {
    this.hostId = host;
  }

  get host(): string | null {
    return this.hostId;
  }

  /** The task at the top has become known: those that named it as their parent are below it. */
  rootAt(task_id: string): void {
    this.hostId = task_id;
    const host = this.known.get(task_id);
    if (host) this.known.set(task_id, { ...host, parent_task_id: null });
  }

  task(task_id: string): TreeTask | undefined {
    return this.known.get(task_id);
  }

  /** Also of a session that its task has had before. */
  ofSession(session_id: string): TreeTask | undefined {
    const task_id = this.bySession.get(session_id);
    return task_id === undefined ? undefined : this.known.get(task_id);
  }

  /** In the order in which they were started. */
  children(task_id: string): TreeTask[] {
    const ids = this.below.get(task_id) ?? [];
    return [...ids].map((id) => this.known.get(id)!).sort((one, other) => one.spawn_order - other.spawn_order);
  }

  parent({ parent_task_id }: TreeTask): TreeTask | undefined {
    return parent_task_id === null ? undefined : this.known.get(parent_task_id);
  }

  /** The top; while that is not known, all whose parent is not. */
  roots(): TreeTask[] {
    return [...this.known.values()].filter((task) => !this.parent(task));
  }

  /** Each task with how deep it is below its root, parents before their children. */
  *walk(tasks: TreeTask[] = this.roots(), depth = 0): Generator<{ task: TreeTask; depth: number }> {
    for (const task of tasks) {
      yield { task, depth };
      yield* this.walk(this.children(task.task_id), depth + 1);
    }
  }

  /** All tasks but the one at the top. */
  descendants(): TreeTask[] {
    return [...this.known.values()].filter(({ task_id }) => task_id !== this.hostId);
  }

  status(task: TreeTask): SubtreeStatus {
    const below = [...this.walk(this.children(task.task_id))].map(({ task: one }) => one);
    return subtreeStatus(task, below);
  }

  /**
   * What is new of a task, told whole. One whose parent is not known waits for that: the log may tell of more than what is
   * below the top.
   */
  learn(told: TreeTask): TreeChange[] {
    if (!this.isWithin(told)) {
      this.orphan(told);
      return [];
    }
    const before = this.known.get(told.task_id);
    if (before && told.updated_at < before.updated_at) return [];
    const task = { ...told, ...this.placeOf(told, before), state: knownState(told.state) };
    this.keep(task);
    if (task.parent_task_id !== null) this.childrenOf(task.parent_task_id).add(task.task_id);
    const changes = [...changesBetween(before, task), ...this.unpark(task.task_id)];
    return before ? changes : [...changes, ...this.adopt(task.task_id)];
  }

  /** What is new of a task, where only a part is told; it waits where the task is not known. */
  note(fact: TaskFact): TreeChange[] {
    const before = this.known.get(fact.task_id);
    if (!before) {
      this.park(fact);
      return [];
    }
    const at = new Date(fact.at);
    const isNewer = at >= before.updated_at;
    const { state, waiting, session_id } = fact;
    const task: TreeTask = {
      ...before,
      ...(isNewer && state !== undefined && { state: knownState(state) }),
      ...(isNewer && waiting !== undefined && { waiting }),
      ...(session_id !== undefined && (isNewer || before.session_id === null) && { session_id }),
      updated_at: isNewer ? at : before.updated_at,
    };
    this.keep(task);
    return changesBetween(before, task);
  }

  /** As long as the top is not known, all may be below it. */
  private isWithin({ task_id, parent_task_id }: TreeTask): boolean {
    if (this.hostId === null || task_id === this.hostId || this.known.has(task_id)) return true;
    return parent_task_id === this.hostId || (parent_task_id !== null && this.known.has(parent_task_id));
  }

  private orphan(task: TreeTask): void {
    if (task.parent_task_id === null) return;
    const waiting = this.orphans.get(task.task_id);
    if (waiting && waiting.updated_at > task.updated_at) return;
    if (!waiting && this.orphans.size === MAX_PARKED) this.orphans.delete(this.orphans.keys().next().value!);
    this.orphans.set(task.task_id, task);
  }

  private adopt(parent: string): TreeChange[] {
    const children = [...this.orphans.values()].filter(({ parent_task_id }) => parent_task_id === parent);
    for (const { task_id } of children) this.orphans.delete(task_id);
    return children.flatMap((child) => this.learn(child));
  }

  private keep(task: TreeTask): void {
    this.known.set(task.task_id, task);
    if (task.session_id !== null) this.bySession.set(task.session_id, task.task_id);
  }

  /** As far as may be seen from the top: a log tells of tasks as they stand below the task that it is of. */
  private placeOf(
    { task_id, parent_task_id, spawn_order, root_task_id, depth, spawn_path }: TreeTask,
    before: TreeTask | undefined,
  ): Pick<TreeTask, 'parent_task_id' | 'root_task_id' | 'depth' | 'spawn_path'> {
    if (task_id === this.hostId) {
      const { root_task_id: root, depth: deep, spawn_path: path } = before ?? { root_task_id, depth, spawn_path };
      return { parent_task_id: null, root_task_id: root, depth: deep, spawn_path: path };
    }
    const parent = parent_task_id === null ? undefined : this.known.get(parent_task_id);
    if (!parent) return { parent_task_id, root_task_id, depth, spawn_path };
    return {
      parent_task_id,
      root_task_id: parent.root_task_id,
      depth: parent.depth + 1,
      spawn_path: [...parent.spawn_path, spawn_order],
    };
  }

  private childrenOf(task_id: string): Set<string> {
    const ids = this.below.get(task_id) ?? new Set<string>();
    this.below.set(task_id, ids);
    return ids;
  }

  private park(fact: TaskFact): void {
    if (this.parkedCount === MAX_PARKED) this.dropOldest();
    this.parked.set(fact.task_id, [...(this.parked.get(fact.task_id) ?? []), fact]);
    this.parkedCount += 1;
  }

  private dropOldest(): void {
    const [task_id, facts] = this.parked.entries().next().value!;
    this.parked.delete(task_id);
    this.parkedCount -= facts.length;
  }

  private unpark(task_id: string): TreeChange[] {
    const facts = this.parked.get(task_id) ?? [];
    this.parked.delete(task_id);
    this.parkedCount -= facts.length;
    return facts.flatMap((fact) => this.note(fact));
  }
}

function changesBetween(before: TreeTask | undefined, task: TreeTask): TreeChange[] {
  const changes: TreeChange[] = [];
  if (!before) changes.push({ kind: 'task_appeared', task });
  else if (WATCHED.some((field) => before[field] !== task[field])) changes.push({ kind: 'task_changed', task });
  if (task.session_id !== null && task.session_id !== before?.session_id) {
    const previous_session_id = before?.session_id ?? null;
    changes.push({ kind: 'materialise', task, session_id: task.session_id, previous_session_id });
  }
  return changes;
}

/** What people see of a task. */
const WATCHED = ['state', 'waiting', 'name', 'title', 'session_id', 'parent_task_id', 'children_count'] as const;
