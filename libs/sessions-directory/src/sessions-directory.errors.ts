import { defineError } from '@holdfast/platform-errors';

/** Nothing is written in a session that is archived. */
export const SessionArchived = defineError<{ session_id: string }>({
  code: 'session_archived',
  kind: 'conflict',
  title: 'Session archived',
  detail: ({ session_id }) =>
    `Session "${session_id}" is archived: it can be read, and takes nothing new. Unarchive it first.`,
});
