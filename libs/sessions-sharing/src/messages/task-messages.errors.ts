import { defineError } from '@holdfast/platform-errors';

export const TaskMissing = defineError<{ session_id: string }>({
  code: 'task_missing',
  kind: 'conflict',
  title: 'Session without task',
  detail: ({ session_id }) =>
    `Session "${session_id}" is no part of a tree: it has started no agents, and none has started it.`,
});

export const RecipientUnknown = defineError<{ to: string; reason: 'unknown' | 'ambiguous' }>({
  code: 'recipient_unknown',
  kind: 'unprocessable',
  title: 'Recipient unknown',
  detail: ({ to, reason }) =>
    reason === 'ambiguous'
      ? `Several agents of this tree are named "${to}". Name the one you mean by its task id.`
      : `There is no agent "${to}" in this tree. Name it by its task id, by its name, "parent" or "orchestrator".`,
  members: ({ to, reason }) => ({ to, reason }),
});

export const TaskMessageTooLarge = defineError<{ bytes: number; limit: number }>({
  code: 'task_message_too_large',
  kind: 'too-large',
  title: 'Message too large',
  detail: ({ bytes, limit }) => `The message has ${bytes} bytes; ${limit} are the most. Write a file, and name it.`,
  members: ({ limit }) => ({ limit_bytes: limit }),
});
