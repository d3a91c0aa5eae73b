import type { SessionEvent, TreeTask } from '@holdfast/client';
import { oneLine } from './printable.js';
import type { Style } from './style.js';
import { stateText } from './task-tree.js';
import { string } from './wire.js';

/** `Scout  ▸ in_progress`, and why it failed. */
export function taskLine(task: TreeTask, style: Style): string {
  const why = task.error ? style.bad(`: ${oneLine(task.error.message)} (${oneLine(task.error.code)})`) : '';
  return `${style.bold(oneLine(task.name, 60))}  ${stateText(task, style)}${why}`;
}

/** `Scout → Orchestrator: subject: body`, of an event `task.message`; undefined of any other. */
export function messageLine(
  { type, data }: SessionEvent,
  nameOf: (task_id: string) => string,
  style: Style,
): string | undefined {
  if (type !== 'task.message') return undefined;
  const from = data['from_task_id'] ? nameOf(string(data['from_task_id'])) : string(data['from_name']) || 'Somebody';
  const to = Array.isArray(data['to_task_ids']) ? data['to_task_ids'].map((task_id) => nameOf(string(task_id))) : [];
  const subject = data['subject'] ? `${oneLine(string(data['subject']), 80)}: ` : '';
  const said = `${subject}${oneLine(string(data['body']))}`;
  return `${style.bold(oneLine(from, 60))} → ${style.bold(oneLine(to.join(', '), 120))}: ${said}`;
}
