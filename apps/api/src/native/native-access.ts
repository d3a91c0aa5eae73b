import type { Principal, SessionAccess } from '@holdfast/platform-auth';
import type { NativeReader } from '@holdfast/sessions-transcripts';

/** Whose transcripts may be read: of the sessions that somebody reaches, by a turn those of its own. */
export function readerOf(principal: Principal, access: SessionAccess): NativeReader {
  const { project_id } = principal;
  const session_id = principal.kind === 'turn' ? principal.turn.session_id : null;
  return { project_id, session_id, isSeen: access.filter(principal) };
}
