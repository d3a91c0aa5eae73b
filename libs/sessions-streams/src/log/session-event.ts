import { MAX_MESSAGE_BYTES, MessageTooLarge } from '@holdfast/durable-streams';

/**
 * One message of a session's log. `data` of `agent.update` is an ACP SessionUpdate, unchanged
 * (agentclientprotocol.com, protocol v1); docs/reference/events.md lists the rest.
 */
export interface SessionEvent {
  type: string;
  /** When it was made, ISO 8601 UTC, by the clock of whoever made it. */
  at: string;
  turn_id: string | null;
  data: object;
}

/** The message as it is stored and sent: compact, so that it is one line of an SSE frame. Errors: message_too_large. */
export function encodeMessage(message: object): Buffer {
  const encoded = Buffer.from(JSON.stringify(message));
  if (encoded.length > MAX_MESSAGE_BYTES) throw MessageTooLarge({ bytes: encoded.length, limit: MAX_MESSAGE_BYTES });
  return encoded;
}
