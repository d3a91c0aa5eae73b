import { Injectable } from '@nestjs/common';
import { LogService } from '@holdfast/durable-streams';
import { UnitOfWork, type Transaction } from '@holdfast/platform-postgres';
import type { SessionTaskFacts } from '../tasks/dto/session-task.dto.js';
import { seenFrom } from '../tasks/session-task.mapper.js';
import type { TaskRow } from '../tasks/tasks.repository.js';
import { activityLogPath } from './task-activity.events.js';

/** Most events of one tree that one transaction brings to its logs, and most of their bytes, unless the first has more. */
const BATCH = 500;
const BATCH_BYTES = 4 * 1024 * 1024;
/** Most trees of one look. */
const TREES = 200;

interface Tree {
  project_id: string;
  root_task_id: string;
}

/** The task whose log it is. */
type Top = Pick<TaskRow, 'task_id' | 'depth'>;

/**
 * Brings what was told of tasks to their activity logs, once each and in the order of each task: events are appended and
 * their rows deleted in one transaction, by one relayer of a tree at a time. Any number may run, and be killed.
 */
@Injectable()
export class TaskActivityRelayer {
  constructor(
    private readonly unitOfWork: UnitOfWork,
    private readonly log: LogService,
  ) {}

  /**
   * Relays what there is; returns how many events. Trees that another relayer has are left to it. One that fails holds up
   * no other. Errors: an AggregateError of theirs, when the others are done.
   */
  async run(stopping?: AbortSignal): Promise<number> {
    let relayed = 0;
    const failures: unknown[] = [];
    for (const tree of await this.trees()) {
      try {
        for (let isMore = true; isMore && !stopping?.aborted;) {
          const batch = await this.unitOfWork.run((tx) => this.relay(tx, tree));
          relayed += batch.count;
          isMore = batch.isMore;
        }
      } catch (error) {
        failures.push(error);
      }
    }
    if (failures.length > 0) throw new AggregateError(failures, 'The activity of some trees was not relayed.');
    return relayed;
  }

  private trees(): Promise<Tree[]> {
    return this.unitOfWork.query<Tree>(
      `SELECT project_id, root_task_id FROM task_activity GROUP BY 1, 2 ORDER BY min(id) LIMIT $1`,
      [TREES],
    );
  }

  private async relay(
    tx: Transaction,
    { project_id, root_task_id }: Tree,
  ): Promise<{ count: number; isMore: boolean }> {
    const lease = await tx.queryOne<{ is_mine: boolean }>(
      `SELECT pg_try_advisory_xact_lock(hashtextextended($1, 0)) AS is_mine`,
      [`task-activity ${project_id} ${root_task_id}`],
    );
    if (!lease?.is_mine) return { count: 0, isMore: false };
    // In a statement of its own: it sees what whoever had the tree before has left.
    const rows = await tx.query<{ id: string; log_task_ids: string[]; event: string; found: number }>(
      `SELECT id, log_task_ids, event, found FROM (
         SELECT id, log_task_ids, event, count(*) OVER ()::int AS found, row_number() OVER in_order AS place,
                sum(octet_length(event)) OVER in_order AS bytes
           FROM (SELECT id, log_task_ids, event::text AS event FROM task_activity
                  WHERE project_id = $1 AND root_task_id = $2 ORDER BY id LIMIT $3) waiting
         WINDOW in_order AS (ORDER BY id)) waiting
        WHERE place = 1 OR bytes <= $4 ORDER BY id`,
      [project_id, root_task_id, BATCH, BATCH_BYTES],
    );
    const [first] = rows;
    if (!first) return { count: 0, isMore: false };
    const present = await this.logsOf(tx, project_id, [...new Set(rows.flatMap(({ log_task_ids }) => log_task_ids))]);
    for (const top of present) {
      const messages = rows
        .filter(({ log_task_ids }) => log_task_ids.includes(top.task_id))
        .map(({ event }) => Buffer.from(toldFrom(top, event)));
      this.log.appendWithin(tx, { project_id, path: activityLogPath(top.task_id), messages, if_present: true });
    }
    await tx.query(`DELETE FROM task_activity WHERE project_id = $1 AND root_task_id = $2 AND id = ANY($3)`, [
      project_id,
      root_task_id,
      rows.map(({ id }) => id),
    ]);
    return { count: rows.length, isMore: first.found === BATCH || rows.length < first.found };
  }

  /** As they are now: a log that was made after the event, and before this, has it too. */
  private logsOf(tx: Transaction, project_id: string, task_ids: string[]): Promise<Top[]> {
    return tx.query<Top>(
      `SELECT task_id, depth FROM tasks WHERE project_id = $1 AND task_id = ANY($2) AND has_activity_log ORDER BY task_id`,
      [project_id, task_ids],
    );
  }
}

/** An event, as JSON, as the log of a task has it: the places of tasks count from there. */
function toldFrom(top: Top, event: string): string {
  if (top.depth === 0) return event;
  const { data, ...told } = JSON.parse(event) as { data: { task?: SessionTaskFacts } };
  if (!data.task) return event;
  return JSON.stringify({ ...told, data: { ...data, task: { ...data.task, ...seenFrom(top, data.task) } } });
}
