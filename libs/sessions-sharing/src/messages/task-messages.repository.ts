import { Injectable } from '@nestjs/common';
import { UnitOfWork, type Transaction } from '@holdfast/platform-postgres';
import type { TaskKey } from '../tasks/tasks.repository.js';
import { MAX_DELIVERED_AT_ONCE, type MessageKind } from './task-message.rules.js';

/** A row of task_messages. */
export interface TaskMessageRow {
  project_id: string;
  message_id: string;
  root_task_id: string;
  from_task_id: string | null;
  kind: MessageKind;
  subject: string | null;
  body: string;
}

/** A message and what became of it at one recipient. */
export interface ReceivedMessage extends TaskMessageRow {
  from_name: string | null;
  from_title: string | null;
  created_at: Date;
  delivered_at: Date | null;
  read_at: Date | null;
}

const RECEIVED = `
  SELECT m.*, r.delivered_at, r.read_at, t.name AS from_name, t.title AS from_title
    FROM task_message_recipients r
    JOIN task_messages m ON m.project_id = r.project_id AND m.message_id = r.message_id
    LEFT JOIN tasks t ON t.project_id = m.project_id AND t.task_id = m.from_task_id
   WHERE r.project_id = $1 AND r.to_task_id = $2`;

/** The SQL of messages. Of two, the later has the greater id: they are UUIDv7. */
@Injectable()
export class TaskMessagesRepository {
  constructor(private readonly unitOfWork: UnitOfWork) {}

  async insert(tx: Transaction, message: TaskMessageRow, to_task_ids: string[]): Promise<void> {
    await tx.query(
      `WITH message AS (
         INSERT INTO task_messages (project_id, message_id, root_task_id, from_task_id, kind, subject, body)
         VALUES ($1, $2, $3, $4, $5, $6, $7))
       INSERT INTO task_message_recipients (project_id, to_task_id, message_id)
       SELECT $1, to_task_id, $2 FROM unnest($8::uuid[]) AS to_task_id`,
      [
        message.project_id,
        message.message_id,
        message.root_task_id,
        message.from_task_id,
        message.kind,
        message.subject,
        message.body,
        to_task_ids,
      ],
    );
  }

  /** The most that agents wrote to any of the tasks and that it has to take. */
  async backlog(tx: Transaction, project_id: string, task_ids: string[]): Promise<number> {
    const row = await tx.queryOne<{ most: number }>(
      `SELECT coalesce(max(count), 0)::int AS most FROM (
         SELECT count(*) AS count FROM task_message_recipients r
           JOIN task_messages m ON m.project_id = r.project_id AND m.message_id = r.message_id AND m.kind = 'message'
          WHERE r.project_id = $1 AND r.to_task_id = ANY($2) AND r.delivered_at IS NULL GROUP BY r.to_task_id) waiting`,
      [project_id, task_ids],
    );
    return row!.most;
  }

  /** Takes back what a task was told of the end of another one, unless that was delivered or just is. */
  async takeBackEnds(tx: Transaction, { project_id, task_id }: TaskKey, from_task_id: string): Promise<void> {
    await tx.query(
      `WITH old AS MATERIALIZED (
         SELECT r.message_id FROM task_message_recipients r
           JOIN task_messages m ON m.project_id = r.project_id AND m.message_id = r.message_id
          WHERE r.project_id = $1 AND r.to_task_id = $2 AND r.delivered_at IS NULL
            AND m.kind = 'lifecycle' AND m.from_task_id = $3
          FOR UPDATE OF r, m SKIP LOCKED),
       boxes AS (
         DELETE FROM task_message_recipients r USING old
          WHERE r.project_id = $1 AND r.to_task_id = $2 AND r.message_id = old.message_id)
       DELETE FROM task_messages m USING old WHERE m.project_id = $1 AND m.message_id = old.message_id`,
      [project_id, task_id, from_task_id],
    );
  }

  /** Those that were not delivered, oldest first. */
  undelivered(
    { project_id, task_id }: TaskKey,
    queries: Pick<Transaction, 'query'> = this.unitOfWork,
  ): Promise<ReceivedMessage[]> {
    return queries.query<ReceivedMessage>(
      `${RECEIVED} AND r.delivered_at IS NULL ORDER BY r.message_id LIMIT ${MAX_DELIVERED_AT_ONCE}`,
      [project_id, task_id],
    );
  }

  /** Oldest first, after the message `after` when given. */
  list(
    { project_id, task_id }: TaskKey,
    unread: boolean | undefined,
    after: string | undefined,
    limit: number,
  ): Promise<ReceivedMessage[]> {
    return this.unitOfWork.query<ReceivedMessage>(
      `${RECEIVED} AND ($3::boolean IS NULL OR (r.read_at IS NULL) = $3) AND ($4::uuid IS NULL OR r.message_id > $4)
        ORDER BY r.message_id LIMIT $5`,
      [project_id, task_id, unread ?? null, after ?? null, limit],
    );
  }

  /** Notes that messages were delivered, or read, which includes it; returns those of which it was not noted before. */
  async note(
    tx: Transaction,
    { project_id, task_id }: TaskKey,
    what: 'delivered' | 'read',
    message_ids: string[],
  ): Promise<string[]> {
    const set =
      what === 'read' ? 'read_at = now(), delivered_at = coalesce(delivered_at, now())' : 'delivered_at = now()';
    const rows = await tx.query<{ message_id: string }>(
      `WITH named AS MATERIALIZED (
         SELECT message_id FROM task_message_recipients
          WHERE project_id = $1 AND to_task_id = $2 AND message_id = ANY($3) AND ${what}_at IS NULL
          ORDER BY message_id FOR UPDATE),
       noted AS (
         UPDATE task_message_recipients r SET ${set} FROM named
          WHERE r.project_id = $1 AND r.to_task_id = $2 AND r.message_id = named.message_id RETURNING r.message_id)
       SELECT message_id FROM noted ORDER BY message_id`,
      [project_id, task_id, message_ids],
    );
    return rows.map(({ message_id }) => message_id);
  }
}
