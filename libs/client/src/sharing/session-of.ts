import type { LiveView } from './live-view.js';

/** The session that is viewed. */
export function sessionOf({ session_id }: LiveView): string {
  if (session_id === null)
    throw new TypeError('There is no session yet: join first, or wait for its task to have one.');
  return session_id;
}
