import type { SessionTurn } from '@holdfast/client';
import { oneLine } from '../render/printable.js';
import type { Style } from '../render/style.js';
import type { Desk } from '../terminal/session-screen.js';

export interface InboxOptions {
  withdraw?: string;
}

/** Lists the prompts that wait in a session, the next one first, or takes one of them out. */
export async function inbox(
  { client, terminal, style }: Desk,
  session_id: string,
  options: InboxOptions,
): Promise<void> {
  if (options.withdraw !== undefined) {
    const { turn_id } = await client.withdraw(session_id, options.withdraw);
    terminal.write(`turn ${turn_id} is withdrawn\n`);
    return;
  }
  const waiting: SessionTurn[] = [];
  for await (const turn of client.inbox(session_id)) waiting.push(turn);
  terminal.write(waiting.length ? inboxTable(waiting, style) : 'Nothing waits.\n');
}

function inboxTable(waiting: SessionTurn[], style: Style): string {
  const row = (turn: string, prompt: string) => `${turn.padEnd(36)}  ${prompt}\n`;
  return (
    style.dim(row('TURN', 'PROMPT').trimEnd()) +
    '\n' +
    waiting.map(({ turn_id, prompt }) => row(turn_id, oneLine(prompt, 60))).join('')
  );
}
