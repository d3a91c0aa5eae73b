import type { SessionScreen } from '../terminal/session-screen.js';

/** Exit code of a command that was interrupted, as the shell has it for SIGINT. */
export const DETACHED = 130;

export function noteDetached(screen: SessionScreen, program: string, session_id: string): void {
  screen.note('detached; the turn runs on');
  screen.note(`  ${program} attach ${session_id}   shows what follows`);
  screen.note(`  ${program} cancel ${session_id}   ends the turn`);
}
