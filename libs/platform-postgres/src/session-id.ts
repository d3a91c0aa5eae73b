import { defineError } from '@holdfast/platform-errors';
import { Matches } from 'class-validator';

/** What a caller may name a session. */
export const SESSION_ID_PATTERN = /^[A-Za-z0-9_-]{1,128}$/;

/** Refuses a property that is no session id: the one validator of them everywhere. */
export function IsSessionId(options: { each?: boolean } = {}): PropertyDecorator {
  return Matches(SESSION_ID_PATTERN, {
    ...options,
    message: '$property must be 1 to 128 letters, digits, "_" or "-"',
  });
}

/** A session of another project does not exist either. */
export const SessionNotFound = defineError<{ session_id: string }>({
  code: 'session_not_found',
  kind: 'not-found',
  title: 'Session not found',
  detail: ({ session_id }) => `There is no session "${session_id}" in this project.`,
});
