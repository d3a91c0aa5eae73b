import type { Desk } from '../terminal/session-screen.js';

export interface CancelOptions {
  turn?: string;
}

/** Asks the live turn to end, or this one and no other; the session stays. */
export async function cancel({ client, terminal }: Desk, session_id: string, { turn }: CancelOptions): Promise<void> {
  const { turn_id, status } = await client.invoke({ session_id, turn_id: turn });
  terminal.write(`turn ${turn_id} is ${status}\n`);
}
