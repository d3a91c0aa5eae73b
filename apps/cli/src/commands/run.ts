import { randomInt } from 'node:crypto';
import type { SessionTurnStatus } from '@holdfast/client';
import { placeIn } from '../offsets.js';
import { oneLine } from '../render/printable.js';
import { EXIT_CODES } from '../render/turn-end.js';
import { SessionScreen, type Desk, type Watch } from '../terminal/session-screen.js';
import { UsageError } from '../usage-error.js';
import { DETACHED, noteDetached } from './detach.js';

export interface RunOptions {
  session?: string;
  agent?: string;
  queue?: boolean;
  steer?: boolean;
  fresh?: boolean;
  detach?: boolean;
  local?: boolean;
  cwd?: string;
}

/** No letters or digits that are easily taken for one another. */
const ALPHABET = 'abcdefghjkmnpqrstuvwxyz23456789';
const NAME_LENGTH = 80;

/** Starts a turn and shows it. Gives the exit code. */
export async function run(desk: Desk, prompt: string, options: RunOptions): Promise<number> {
  const { client, cursors, terminal } = desk;
  if (!prompt.trim()) throw new UsageError('The prompt is empty. Say what the agent is to do.');
  if (options.queue && options.steer) throw new UsageError('Say --queue or --steer: a prompt waits, or it does not.');
  if (options.cwd !== undefined) {
    throw new UsageError(
      '--cwd goes with --local: any other turn works on the machine of a runner, in a folder there.',
    );
  }
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
  const command = {
    session_id,
    prompt,
    agent,
    ...(options.queue && { on_busy: 'queue' as const }),
    force: options.steer,
    ...(options.fresh && { fresh_start: true }),
  };
  if (options.detach) {
    await client.invoke(command);
    terminal.write(`${session_id}\n`);
    return 0;
  }
  // On the line until the end, so that the turn counts as watched.
  const { invoked, leave } = await client.attendTurn(command);
  try {
    return await show(desk, { session_id, turn_id: invoked.turn_id, offset, tail, questions: [] }, invoked.status);
  } finally {
    leave();
  }
}

async function show(desk: Desk, watch: Watch, status: SessionTurnStatus): Promise<number> {
  const { session_id } = watch;
  const screen = new SessionScreen(desk);
  screen.note(`session ${session_id}`);
  if (status === 'inbox') screen.note(`the prompt waits for the live turn: ${desk.program} inbox ${session_id}`);
  const end = await screen.watch(watch);
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
