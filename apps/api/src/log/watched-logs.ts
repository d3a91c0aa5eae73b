import type { LogKey } from '@holdfast/durable-streams';
import { activityLogPath } from '@holdfast/sessions-sharing';
import { sessionIdOfLog, sessionLogKey, type SessionStreamWatch } from '@holdfast/sessions-streams';

/** What a watch calls a log: the session that it is of, or the task whose activity it tells. */
export type WatchedLog = { session_id: string } | { task_id: string };

const ACTIVITY = /^tasks\/([^/]+)\/activity$/;

/** The logs that a watch asks for, and from where. */
export function logsOf(project_id: string, { sessions, activities = [] }: SessionStreamWatch): WantedLog[] {
  return [
    ...sessions.map(({ session_id, offset }) => ({ key: sessionLogKey({ project_id, session_id }), offset })),
    ...activities.map(({ task_id, offset }) => ({ key: { project_id, path: activityLogPath(task_id) }, offset })),
  ];
}

export interface WantedLog {
  key: LogKey;
  offset: string;
}

export function watchedLogAt(path: string): WatchedLog {
  const task_id = ACTIVITY.exec(path)?.[1];
  return task_id === undefined ? { session_id: sessionIdOfLog(path) } : { task_id };
}
