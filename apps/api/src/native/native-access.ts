import type { Principal } from '@holdfast/platform-auth';
import type { NativeReader } from '@holdfast/sessions-transcripts';

/** Whose transcripts may be read: of the whole project, or by a turn those of its own session. */
export function readerOf(principal: Principal): NativeReader {
  const { project_id } = principal;
  return { project_id, session_id: principal.kind === 'turn' ? principal.turn.session_id : null };
}
