import { defineError } from '@holdfast/platform-errors';

/** A task of another project, and one out of a share's reach, does not exist either. */
export const TaskNotFound = defineError<{ task_id: string }>({
  code: 'task_not_found',
  kind: 'not-found',
  title: 'Task not found',
  detail: ({ task_id }) => `There is no task ${task_id} in this project.`,
});

export const TaskExists = defineError<{ task_id: string }>({
  code: 'task_exists',
  kind: 'conflict',
  title: 'Task exists',
  detail: ({ task_id }) => `There is a task ${task_id} already, under another parent. Choose another id.`,
});

export const TaskEnded = defineError<{ task_id: string; state: string }>({
  code: 'task_ended',
  kind: 'conflict',
  title: 'Task ended',
  detail: ({ task_id, state }) => `Task ${task_id} has ended: it is "${state}" and takes no other state or session.`,
  members: ({ state }) => ({ state }),
});

export const TaskFollowsTurn = defineError<{ task_id: string; state: string }>({
  code: 'task_follows_turn',
  kind: 'conflict',
  title: 'Task follows its turn',
  detail: ({ task_id }) => `The state of task ${task_id} is told by the turns of its session and is not set by hand.`,
  members: ({ state }) => ({ state }),
});

export const TaskSessionTaken = defineError<{ session_id: string; task_id: string }>({
  code: 'task_session_taken',
  kind: 'conflict',
  title: 'Session of another task',
  detail: ({ session_id, task_id }) => `Session "${session_id}" is that of task ${task_id}. A session has one task.`,
});

export const TaskStopping = defineError<{ task_id: string }>({
  code: 'task_stopping',
  kind: 'conflict',
  title: 'Task is stopping',
  detail: ({ task_id }) => `Task ${task_id}, or one above it, is being stopped: nothing is made below it.`,
});

/** `limit` says how much of `what` there may be. */
export const TaskLimit = defineError<{
  what: 'depth' | 'live_children' | 'tasks' | 'undelivered_messages';
  limit: number;
}>({
  code: 'task_limit',
  kind: 'conflict',
  title: 'Too many tasks',
  detail: ({ what, limit }) => `${SENTENCES[what]} (${limit}).`,
  members: ({ what, limit }) => ({ what, limit }),
});

const SENTENCES = {
  depth: 'The tree is as deep as it may be',
  live_children: 'The task has as many children that have not ended as it may have',
  tasks: 'The tree has as many tasks as it may have',
  undelivered_messages: 'A recipient has as many messages to take as it may have',
};
