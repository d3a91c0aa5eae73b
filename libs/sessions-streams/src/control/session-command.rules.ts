/** What a request to invoke a session asks for. */
export type InvokeCommand = 'send' | 'steer' | 'cancel' | 'attach';

/** The matrix: a prompt is sent, by force it steers; without one the live turn is cancelled, by force it is attached to. */
export function commandOf({ prompt, force = false }: { prompt?: string; force?: boolean }): InvokeCommand {
  if (prompt !== undefined) return force ? 'steer' : 'send';
  return force ? 'attach' : 'cancel';
}
