import { randomInt } from 'node:crypto';
import { placeIn } from '../offsets.js';
import { oneLine } from '../render/printable.js';
import { EXIT_CODES } from '../render/turn-end.js';
import { SessionScreen, type Desk } from '../terminal/session-screen.js';
import { UsageError } from '../usage-error.js';
import { DETACHED, noteDetached } from './detach.js';

export interface RunOptions {
  session?: string;
  agent?: string;
  detach?: boolean;
}

/** No letters or digits that are easily taken for one another. */
const ALPHABET = 'abcdefghjkmnpqrstuvwxyz23456789';
const NAME_LENGTH = 80;

/** Starts a turn and shows it. Gives the exit code. */
export async function run(desk: Desk, prompt: string, options: RunOptions): Promise<number> {
  const { client, cursors, terminal } = desk;
  if (!prompt.trim()) throw new UsageError('The prompt is empty. Say what the agent is to do.');
  // Otherwise a misspelt agent would leave an empty session behind.
  if (options.agent) await client.agents.fetchAgent({ name: options.agent });
  const session_id = options.session ?? mintSessionId(new Date());
  const name = oneLine(prompt, NAME_LENGTH) || session_id;
  await client.sessions.createSession({ session_id, SessionCreate: { name } });
  const { tail_offset: tail } = await client.streams.fetchSessionStream({ session_id });
  // What came since this machine last looked is shown first.
  const offset = placeIn(tail, await cursors.read(session_id)) ?? tail;
  await cursors.write(session_id, offset);

  const agent = options.agent ? { name: options.agent } : undefined;
  const { turn_id } = await client.invoke({ session_id, prompt, agent });
  if (options.detach) {
    terminal.write(`${session_id}\n`);
    return 0;
  }
  const screen = new SessionScreen(desk);
  screen.note(`session ${session_id}`);
  const end = await screen.watch({ session_id, turn_id, offset, tail, questions: [] });
  if (end) return EXIT_CODES[end];
  noteDetached(screen, desk.program, session_id);
  return DETACHED;
}

/** For example `run-20261121-k3v9qd`: sortable, and short enough to be typed. */
export function mintSessionId(now: Date): string {
  const date = now.toISOString().slice(0, 10).replaceAll('-', '');
  const random = Array.from({ length: 6 }, () => ALPHABET[randomInt(ALPHABET.length)]).join('');
  return `run-${date}-${random}`;
}
