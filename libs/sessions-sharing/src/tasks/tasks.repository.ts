import { Injectable } from '@nestjs/common';
import { bindTo, UnitOfWork, type SessionFilter, type SessionKey, type Transaction } from '@holdfast/platform-postgres';
import type { TaskStop } from './dto/session-task-stop.dto.js';
import { isEnded, OPEN_STATES, type TaskError, type TaskState } from './task-state.rules.js';
import type { TaskLocation, TaskSource } from './task.rules.js';

/** Names a task. */
export interface TaskKey {
  project_id: string;
  task_id: string;
}

/** A row of tasks. */
export interface TaskRow extends TaskKey {
  parent_task_id: string | null;
  root_task_id: string;
  /** Root first, parent last; empty of a root. */
  ancestor_ids: string[];
  depth: number;
  spawn_order: number;
  /** Spawn orders from the top down: a subtree is a range of it. */
  spawn_path: number[];
  children_count: number;
  name: string | null;
  title: string | null;
  prompt: string | null;
  location: TaskLocation;
  state: TaskState;
  error: TaskError | null;
  session_id: string | null;
  agent_name: string | null;
  agent_revision: number | null;
  harness: string | null;
  source: TaskSource;
  /** The turn that the state is from, and whether that has ended. */
  turn_id: string | null;
  turn_index: number | null;
  turn_ended: boolean;
  /** The wait for messages that its agent is in; whoever ends it must name it. */
  wait_id: string | null;
  /** Whether `waiting_until` has not come. */
  waiting: boolean;
  stopping: TaskStop | null;
  stopping_by_id: string | null;
  has_activity_log: boolean;
  created_at: Date;
  created_by_id: string | null;
  started_at: Date | null;
  ended_at: Date | null;
  updated_at: Date;
}

/** A task that is to stop, without what it is about: there may be very many. */
export type StoppingTask = Pick<TaskRow, 'project_id' | 'task_id' | 'session_id' | 'stopping' | 'stopping_by_id'>;

/** A task that something is for; `called`: by this one of the names that were asked for. */
export interface AddressedTask extends Pick<TaskRow, 'project_id' | 'task_id' | 'root_task_id' | 'ancestor_ids'> {
  called: string | null;
}

/** What is said of a task when it is made. */
export type NewTask = Pick<
  TaskRow,
  | 'project_id'
  | 'task_id'
  | 'parent_task_id'
  | 'root_task_id'
  | 'ancestor_ids'
  | 'spawn_order'
  | 'spawn_path'
  | 'name'
  | 'title'
  | 'prompt'
  | 'location'
  | 'session_id'
  | 'agent_name'
  | 'agent_revision'
  | 'source'
  | 'has_activity_log'
  | 'created_by_id'
>;

/** What may change of a task. */
export type TaskChange = Partial<
  Pick<
    TaskRow,
    | 'name'
    | 'title'
    | 'state'
    | 'error'
    | 'session_id'
    | 'agent_name'
    | 'agent_revision'
    | 'harness'
    | 'turn_id'
    | 'turn_index'
    | 'turn_ended'
    | 'wait_id'
    | 'stopping'
    | 'stopping_by_id'
  >
>;

/** A range of one tree in depth-first order. */
export interface TaskRange {
  root_task_id: string;
  /** Of the subtree's top. */
  spawn_path: number[];
}

/** Where a page of a list went on. */
export interface TaskPlace {
  root_task_id: string;
  spawn_path: number[];
}

export interface TaskFilter {
  project_id: string;
  /** Only this part of one tree; `withTop`: its top included. */
  within?: TaskRange & { withTop: boolean };
  task_id?: string;
  parent_task_id?: string;
  session_id?: string;
  states?: readonly TaskState[];
  /** Leaves out those whose session is kept from the caller. */
  sessions?: SessionFilter;
}

/** How many tasks of a subtree are in a state; those that wait for messages are counted apart. */
export interface SubtreeCount {
  task_id: string;
  state: TaskState;
  waiting: boolean;
  count: number;
}

const COLUMNS = `t.*, coalesce(t.waiting_until > now(), false) AS waiting`;

/** Most characters of a prompt where it is one of many, or told with every change. */
export const LISTED_PROMPT = 8_192;

/** The first path behind a subtree. Spawn orders are far smaller than the largest integer. */
const behind = (alias: string) =>
  `CASE WHEN ${alias}.depth = 0 THEN ARRAY[2147483647]
        ELSE ${alias}.spawn_path[:${alias}.depth - 1] || (${alias}.spawn_path[${alias}.depth] + 1) END`;

/** The SQL of tasks. Rows are locked root first, by path; the fence of a session before all of them. */
@Injectable()
export class TasksRepository {
  constructor(private readonly unitOfWork: UnitOfWork) {}

  find({ project_id, task_id }: TaskKey, queries: Pick<Transaction, 'queryOne'> = this.unitOfWork) {
    return queries.queryOne<TaskRow>(`SELECT ${COLUMNS} FROM tasks t WHERE project_id = $1 AND task_id = $2`, [
      project_id,
      task_id,
    ]);
  }

  findMany(project_id: string, task_ids: string[], queries: Pick<Transaction, 'query'> = this.unitOfWork) {
    return queries.query<TaskRow>(
      `SELECT ${COLUMNS} FROM tasks t WHERE project_id = $1 AND task_id = ANY($2) ORDER BY root_task_id, spawn_path`,
      [project_id, task_ids],
    );
  }

  ofSession({ project_id, session_id }: SessionKey, queries: Pick<Transaction, 'queryOne'> = this.unitOfWork) {
    return queries.queryOne<TaskRow>(`SELECT ${COLUMNS} FROM tasks t WHERE project_id = $1 AND session_id = $2`, [
      project_id,
      session_id,
    ]);
  }

  lock(tx: Transaction, { project_id, task_id }: TaskKey): Promise<TaskRow | undefined> {
    return tx.queryOne<TaskRow>(`SELECT ${COLUMNS} FROM tasks t WHERE project_id = $1 AND task_id = $2 FOR UPDATE`, [
      project_id,
      task_id,
    ]);
  }

  lockOfSession(tx: Transaction, { project_id, session_id }: SessionKey): Promise<TaskRow | undefined> {
    return tx.queryOne<TaskRow>(`SELECT ${COLUMNS} FROM tasks t WHERE project_id = $1 AND session_id = $2 FOR UPDATE`, [
      project_id,
      session_id,
    ]);
  }

  /** A task together with the root of its tree, which whoever adds to the tree or stops a part of it has for itself. */
  async lockWithRoot(tx: Transaction, key: TaskKey): Promise<TaskRow | undefined> {
    const found = await this.find(key, tx);
    if (!found) return undefined;
    if (found.depth > 0) await this.lock(tx, { ...key, task_id: found.root_task_id });
    return this.lock(tx, key);
  }

  /** False when there is a task of this id. */
  async insert(tx: Transaction, task: NewTask): Promise<TaskRow | undefined> {
    return tx.queryOne<TaskRow>(
      `INSERT INTO tasks AS t (project_id, task_id, parent_task_id, root_task_id, ancestor_ids, depth, spawn_order,
                               spawn_path, name, title, prompt, location, state, session_id, agent_name, agent_revision,
                               source, has_activity_log, created_by_id, updated_by_id)
       VALUES ($1, $2, $3, $4, $5::uuid[], cardinality($5::uuid[]), $6, $7::int[], $8, $9, $10, $11, 'queued', $12, $13,
               $14, $15, $16, $17, $17)
       ON CONFLICT (project_id, task_id) DO NOTHING RETURNING ${COLUMNS}`,
      [
        task.project_id,
        task.task_id,
        task.parent_task_id,
        task.root_task_id,
        task.ancestor_ids,
        task.spawn_order,
        task.spawn_path,
        task.name,
        task.title,
        task.prompt,
        task.location,
        task.session_id,
        task.agent_name,
        task.agent_revision,
        task.source,
        task.has_activity_log,
        task.created_by_id,
      ],
    );
  }

  /** Counts one more child; returns its spawn order. */
  async countChild(tx: Transaction, { project_id, task_id }: TaskKey): Promise<number> {
    const row = await tx.queryOne<{ children_count: number }>(
      `UPDATE tasks SET children_count = children_count + 1 WHERE project_id = $1 AND task_id = $2
       RETURNING children_count`,
      [project_id, task_id],
    );
    return row!.children_count;
  }

  /** How many tasks the tree has, how many open children the task, and whether anything at or above it is stopping. */
  async room(tx: Transaction, { project_id, root_task_id, task_id, ancestor_ids }: TaskRow) {
    const row = await tx.queryOne<{ tasks: number; live_children: number; is_stopping: boolean }>(
      `SELECT (SELECT count(*)::int FROM tasks WHERE project_id = $1 AND root_task_id = $2) AS tasks,
              (SELECT count(*)::int FROM tasks WHERE project_id = $1 AND parent_task_id = $3 AND state = ANY($5))
                AS live_children,
              EXISTS (SELECT FROM tasks WHERE project_id = $1 AND task_id = ANY($4) AND stopping IS NOT NULL)
                AS is_stopping`,
      [project_id, root_task_id, task_id, [...ancestor_ids, task_id], OPEN_STATES],
    );
    return row!;
  }

  /**
   * Writes what changed of a locked task. A change of state keeps the times in step, and ends its wait for messages.
   * `by_id` is null where a turn or the system wrote.
   */
  async update(tx: Transaction, task: TaskRow, change: TaskChange, by_id: string | null): Promise<TaskRow> {
    const next = { ...task, ...change };
    const row = await tx.queryOne<TaskRow>(
      `UPDATE tasks AS t SET name = $3, title = $4, state = $5, error = $6, session_id = $7, agent_name = $8,
              agent_revision = $9, harness = $10, turn_id = $11, turn_index = $12, turn_ended = $13, stopping = $14,
              stopping_by_id = $15,
              wait_id = CASE WHEN state = $5 THEN wait_id END,
              waiting_until = CASE WHEN state = $5 THEN waiting_until END,
              started_at = CASE WHEN $5 = 'in_progress' THEN coalesce(started_at, now()) ELSE started_at END,
              ended_at = CASE WHEN $5 = ANY($17) THEN NULL WHEN state = $5 THEN ended_at ELSE now() END,
              updated_at = now(), updated_by_id = $16
        WHERE project_id = $1 AND task_id = $2 RETURNING ${COLUMNS}`,
      [
        task.project_id,
        task.task_id,
        next.name,
        next.title,
        next.state,
        next.error && JSON.stringify(next.error),
        next.session_id,
        next.agent_name,
        next.agent_revision,
        next.harness,
        next.turn_id,
        next.turn_index,
        next.turn_ended,
        next.stopping,
        next.stopping_by_id,
        by_id,
        OPEN_STATES,
      ],
    );
    return row!;
  }

  async setWait(tx: Transaction, { project_id, task_id }: TaskKey, wait_id: string | null, seconds: number) {
    const row = await tx.queryOne<TaskRow>(
      `UPDATE tasks AS t SET wait_id = $3, updated_at = now(),
              waiting_until = CASE WHEN $3::uuid IS NOT NULL THEN now() + make_interval(secs => $4) END
        WHERE project_id = $1 AND task_id = $2 RETURNING ${COLUMNS}`,
      [project_id, task_id, wait_id, seconds],
    );
    return row!;
  }

  async setActivityLog(tx: Transaction, { project_id, task_id }: TaskKey): Promise<void> {
    await tx.query(`UPDATE tasks SET has_activity_log = true WHERE project_id = $1 AND task_id = $2`, [
      project_id,
      task_id,
    ]);
  }

  /**
   * Says of a task, and of all below it that are open, that they are to stop; locks them by path. What was to be killed
   * stays so. Call with the tree's root locked, so that nothing is made meanwhile. Returns how many of them are open.
   */
  async markStopping(tx: Transaction, top: TaskRow, stopping: TaskStop, by_id: string): Promise<number> {
    const rows = await tx.query<Pick<TaskRow, 'state'>>(
      `WITH open AS MATERIALIZED (
         SELECT t.task_id FROM tasks t
          WHERE t.project_id = $1 AND t.root_task_id = $2 AND t.spawn_path >= $3::int[] AND t.spawn_path < $4::int[]
            AND (t.state = ANY($5) OR t.task_id = $6) ORDER BY t.spawn_path FOR UPDATE)
       UPDATE tasks t SET stopping = CASE WHEN t.stopping = 'kill' THEN 'kill' ELSE $7 END, stopping_by_id = $8
         FROM open WHERE t.project_id = $1 AND t.task_id = open.task_id RETURNING t.state`,
      [
        top.project_id,
        top.root_task_id,
        top.spawn_path,
        pathBehind(top.spawn_path),
        OPEN_STATES,
        top.task_id,
        stopping,
        by_id,
      ],
    );
    return rows.filter(({ state }) => !isEnded(state)).length;
  }

  /** How many tasks of a subtree are to stop still. */
  async countStopping({ project_id, root_task_id, spawn_path }: TaskRow): Promise<number> {
    const row = await this.unitOfWork.queryOne<{ count: number }>(
      `SELECT count(*)::int AS count FROM tasks
        WHERE project_id = $1 AND root_task_id = $2 AND stopping IS NOT NULL
          AND spawn_path >= $3::int[] AND spawn_path < $4::int[]`,
      [project_id, root_task_id, spawn_path, pathBehind(spawn_path)],
    );
    return row!.count;
  }

  /** The deepest tasks of a tree that are to stop still, but for those that were `told` to. */
  deepestStopping(
    project_id: string,
    root_task_id: string,
    told: readonly string[],
    limit: number,
  ): Promise<StoppingTask[]> {
    return this.unitOfWork.query<StoppingTask>(
      `SELECT project_id, task_id, session_id, stopping, stopping_by_id FROM tasks
        WHERE project_id = $1 AND root_task_id = $2 AND stopping IS NOT NULL AND task_id <> ALL ($3::uuid[])
          AND depth = (SELECT max(depth) FROM tasks
                        WHERE project_id = $1 AND root_task_id = $2 AND stopping IS NOT NULL)
        ORDER BY spawn_path DESC LIMIT $4`,
      [project_id, root_task_id, told, limit],
    );
  }

  /** The newest trees first, each depth first in spawn order; behind `after` when given. Long prompts are cut. */
  list(filter: TaskFilter, after: TaskPlace | undefined, limit: number): Promise<TaskRow[]> {
    const values: unknown[] = [];
    const value = (one: unknown) => `$${values.push(one)}`;
    const conditions = [`t.project_id = ${value(filter.project_id)}`];
    const { within, task_id, parent_task_id, session_id, states, sessions } = filter;
    if (within) {
      conditions.push(
        `t.root_task_id = ${value(within.root_task_id)}`,
        `t.spawn_path ${within.withTop ? '>=' : '>'} ${value(within.spawn_path)}::int[]`,
        `t.spawn_path < ${value(pathBehind(within.spawn_path))}::int[]`,
      );
    }
    if (task_id !== undefined) conditions.push(`t.task_id = ${value(task_id)}`);
    if (parent_task_id !== undefined) conditions.push(`t.parent_task_id = ${value(parent_task_id)}`);
    if (session_id !== undefined) conditions.push(`t.session_id = ${value(session_id)}`);
    if (states !== undefined) conditions.push(`t.state = ANY(${value(states)})`);
    if (sessions) conditions.push(`(t.session_id IS NULL OR ${sessions('t.session_id', value)})`);
    if (after) {
      const root = `${value(after.root_task_id)}::uuid`;
      conditions.push(
        `(t.root_task_id < ${root} OR (t.root_task_id = ${root} AND t.spawn_path > ${value(after.spawn_path)}::int[]))`,
      );
    }
    return this.unitOfWork.query<TaskRow>(
      // Of two columns of one name, the last is the one that counts.
      `SELECT ${COLUMNS}, left(t.prompt, ${LISTED_PROMPT}) AS prompt FROM tasks t WHERE ${conditions.join(' AND ')}
        ORDER BY t.root_task_id DESC, t.spawn_path LIMIT ${value(limit)}`,
      values,
    );
  }

  /** What the subtrees of tasks consist of, each with its top. */
  subtreeCounts(project_id: string, task_ids: string[]): Promise<SubtreeCount[]> {
    return this.unitOfWork.query<SubtreeCount>(
      `SELECT top.task_id, d.state, coalesce(d.waiting_until > now(), false) AS waiting, count(*)::int AS count
         FROM tasks top
         JOIN tasks d ON d.project_id = top.project_id AND d.root_task_id = top.root_task_id
          AND d.spawn_path >= top.spawn_path AND d.spawn_path < (${behind('top')})
        WHERE top.project_id = $1 AND top.task_id = ANY($2) GROUP BY 1, 2, 3`,
      [project_id, task_ids],
    );
  }

  /** What tasks are shown as, of one tree or of those whose sessions the caller may see. */
  names(project_id: string, task_ids: string[], of: { root_task_id: string } | SessionFilter) {
    const values: unknown[] = [project_id, task_ids];
    const bind = bindTo(values);
    const condition =
      typeof of === 'function'
        ? `(tasks.session_id IS NULL OR ${of('tasks.session_id', bind)})`
        : `root_task_id = ${bind(of.root_task_id)}`;
    return this.unitOfWork.query<Pick<TaskRow, 'task_id' | 'name' | 'title'>>(
      `SELECT task_id, name, title FROM tasks
        WHERE project_id = $1 AND task_id = ANY($2) AND ${condition} ORDER BY root_task_id, spawn_path`,
      values,
    );
  }

  /** The tasks of a tree with these ids, and at most two with each of these names, without their prompts. */
  addressed(
    tx: Transaction,
    { project_id, root_task_id }: TaskRow,
    task_ids: string[],
    names: string[],
  ): Promise<AddressedTask[]> {
    return tx.query<AddressedTask>(
      `WITH asked AS MATERIALIZED (SELECT DISTINCT name FROM unnest($4::text[]) AS name),
       found AS MATERIALIZED (
         SELECT t.task_id, NULL::text AS called FROM tasks t
          WHERE t.project_id = $1 AND t.root_task_id = $2 AND t.task_id = ANY($3)
         UNION ALL
         SELECT named.task_id, named.called FROM (
           SELECT t.task_id, asked.name AS called, row_number() OVER (PARTITION BY asked.name) AS place
             FROM tasks t JOIN asked ON lower(btrim(coalesce(nullif(btrim(t.name), ''), t.title))) = lower(asked.name)
            WHERE t.project_id = $1 AND t.root_task_id = $2) named
          WHERE named.place <= 2)
       SELECT t.project_id, t.task_id, t.root_task_id, t.ancestor_ids, found.called
         FROM found JOIN tasks t ON t.project_id = $1 AND t.task_id = found.task_id`,
      [project_id, root_task_id, task_ids, names],
    );
  }
}

/** The first path behind the subtree of a path. */
export function pathBehind(spawn_path: number[]): number[] {
  const last = spawn_path.at(-1);
  return last === undefined ? [2_147_483_647] : [...spawn_path.slice(0, -1), last + 1];
}

/** Whether a task is in the subtree of another. */
export const isWithin = (task: TaskRow, top: TaskRow): boolean =>
  task.task_id === top.task_id || task.ancestor_ids.includes(top.task_id);
