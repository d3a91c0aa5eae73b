import type { SessionTaskFacts } from '../tasks/dto/session-task.dto.js';

/** Where the activity of a task is: below `/v1/stream/`. */
export const activityLogPath = (task_id: string) => `tasks/${task_id}/activity`;
export const isActivityLogPath = (path: string) => /^tasks\/[^/]+\/activity$/.test(path);
/** The task whose log is at a path that `activityLogPath` made. */
export const taskIdOfLog = (path: string) => path.split('/')[1]!;

/** What the activity log of a task tells (docs/reference/events.md). */
export type TaskActivityEvent =
  | { type: 'task.created' | 'task.updated' | 'task.session_linked'; data: { task: SessionTaskFacts } }
  | { type: 'task.message'; data: TaskMessageFacts }
  | { type: 'task.message_delivered' | 'task.message_read'; data: { message_id: string; task_id: string } }
  | { type: 'share.created' | 'share.ended'; data: Record<string, unknown> };

export interface TaskMessageFacts {
  message_id: string;
  from_task_id: string | null;
  to_task_ids: string[];
  from_name: string | null;
  kind: string;
  subject: string | null;
  body: string;
}
