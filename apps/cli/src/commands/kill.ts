import type { Desk } from '../terminal/session-screen.js';

/** Ends what a session runs and what waits in it, whether its runner answers or not. */
export async function kill({ client, terminal }: Desk, session_id: string): Promise<void> {
  const { turn_id, withdrawn_turn_ids } = await client.kill(session_id);
  const ended = [
    ...(turn_id === null ? [] : [`turn ${turn_id} is cancelled`]),
    ...withdrawn_turn_ids.map((waiting) => `turn ${waiting} is withdrawn`),
  ];
  terminal.write(`${ended.join('\n') || 'nothing ran, and nothing waited'}\n`);
}
