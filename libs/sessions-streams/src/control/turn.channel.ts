import type { SessionKey } from '@holdfast/platform-postgres';

/** Signalled after each commit that makes, changes or ends a turn of the session. */
export const turnChannel = ({ project_id, session_id }: SessionKey) => `turn:${project_id}:${session_id}`;
