import { defineError } from '@holdfast/platform-errors';

/** The cursor belongs to a session that was deleted; another one has its name now. */
export const TranscriptCursorGone = defineError<{ session_id: string }>({
  code: 'transcript_cursor_gone',
  kind: 'gone',
  title: 'Transcript cursor gone',
  detail: ({ session_id }) => `Session "${session_id}" was made again since this cursor. Query without a cursor.`,
});
