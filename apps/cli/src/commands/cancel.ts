import type { Desk } from '../terminal/session-screen.js';

/** Asks the live turn to end; the session stays. */
export async function cancel({ client, terminal }: Desk, session_id: string): Promise<void> {
  const { turn_id, status } = await client.invoke({ session_id });
  terminal.write(`turn ${turn_id} is ${status}\n`);
}
