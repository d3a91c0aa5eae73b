import { placeIn } from '../offsets.js';
import { EXIT_CODES } from '../render/turn-end.js';
import { SessionScreen, type Desk } from '../terminal/session-screen.js';
import { DETACHED, noteDetached } from './detach.js';

export interface AttachOptions {
  from?: string;
}

const START = '-1';

/** Shows a session from where this machine last showed it, to the end of the live turn. Gives the exit code. */
export async function attach(desk: Desk, session_id: string, { from }: AttachOptions): Promise<number> {
  const { client, program } = desk;
  const screen = new SessionScreen(desk);
  // In this order: a question that is open now was asked before the tail that is read then.
  const { data: questions } = await client.interactions.querySessionInteractions({
    SessionInteractionQuery: { session_id, status: 'pending' },
  });
  const { tail_offset: tail, current_turn_id } = await client.streams.fetchSessionStream({ session_id });
  const offset = from === undefined ? await lastPlace(desk, screen, session_id, tail) : from === 'start' ? START : from;

  if (current_turn_id !== null) {
    const end = await screen.watch({ session_id, turn_id: current_turn_id, offset, tail, questions });
    if (end) return EXIT_CODES[end];
    noteDetached(screen, program, session_id);
    return DETACHED;
  }
  const { count, end } = await screen.replay(session_id, client.readSession(session_id, { offset }));
  screen.note(`no turn is running${count > 0 ? '' : ', and nothing is new'}`);
  if (count === 0) screen.note(`  ${program} attach ${session_id} --from start   shows all of it again`);
  return end ? EXIT_CODES[end] : 0;
}

async function lastPlace({ cursors }: Desk, screen: SessionScreen, session_id: string, tail: string): Promise<string> {
  const cursor = await cursors.read(session_id);
  const place = placeIn(tail, cursor);
  if (cursor && !place) screen.note('this is not the session that was shown here before; it is shown from its start');
  return place ?? START;
}
