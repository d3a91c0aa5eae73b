import { Injectable } from '@nestjs/common';
import { v7 as uuidv7 } from 'uuid';
import type { Transaction } from '@holdfast/platform-postgres';
import { Signals } from '@holdfast/platform-signals';
import { TaskActivity } from '../activity/task-activity.service.js';
import { displayName } from '../tasks/task.rules.js';
import type { TaskKey, TaskRow } from '../tasks/tasks.repository.js';
import { TasksRepository } from '../tasks/tasks.repository.js';
import type { MessageKind } from './task-message.rules.js';
import { TaskMessagesRepository } from './task-messages.repository.js';

/** Where whoever waits for messages of a task hears of them. */
export const messagesChannel = ({ project_id, task_id }: TaskKey) => `task-messages:${project_id}:${task_id}`;

/** Puts messages into the boxes of tasks, in the transaction of what they tell. */
@Injectable()
export class TaskPost {
  constructor(
    private readonly tasks: TasksRepository,
    private readonly messages: TaskMessagesRepository,
    private readonly activity: TaskActivity,
    private readonly signals: Signals,
  ) {}

  /** Returns the message's id. All are of one tree. */
  async put(
    tx: Transaction,
    from: TaskRow,
    to: Pick<TaskRow, 'project_id' | 'task_id' | 'root_task_id' | 'ancestor_ids'>[],
    { kind, subject, body }: { kind: MessageKind; subject: string | null; body: string },
  ): Promise<string> {
    const message_id = uuidv7();
    const { project_id, root_task_id, task_id: from_task_id } = from;
    const to_task_ids = to.map(({ task_id }) => task_id);
    const message = { project_id, message_id, root_task_id, from_task_id, kind, subject, body };
    await this.messages.insert(tx, message, to_task_ids);
    const facts = { message_id, from_task_id, to_task_ids, from_name: displayName(from), kind, subject, body };
    await this.activity.tell(tx, from, { type: 'task.message', data: facts }, to);
    tx.afterCommit(() => {
      for (const task of to) this.signals.publish(messagesChannel(task), '');
    });
    return message_id;
  }

  /** Tells the parent of a locked task, if it has one, how it ended. Only the newest end waits: there may be very many. */
  async ended(tx: Transaction, task: TaskRow): Promise<void> {
    if (task.parent_task_id === null) return;
    const parent = await this.tasks.find({ ...task, task_id: task.parent_task_id }, tx);
    if (!parent) return;
    const { state: subject, error } = task;
    const why = error ? ` ${error.code}: ${error.message}` : '';
    const body = `"${displayName(task)}" (${task.task_id}) has ended: ${subject}.${why}`;
    await this.messages.takeBackEnds(tx, parent, task.task_id);
    await this.put(tx, task, [parent], { kind: 'lifecycle', subject, body });
  }
}
