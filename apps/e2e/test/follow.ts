import type { SessionEvent } from '@holdfast/client';
import type { Stack } from './stack.js';

/** Everything one viewer was shown of a session, each with the offset after it. */
export interface Seen {
  event: SessionEvent;
  offset: string;
}

export const typesOf = (seen: Seen[]) => seen.map(({ event }) => event.type);

/** The text that the agent streamed, put together. */
export function textOf(seen: Seen[]): string {
  return seen
    .filter(({ event }) => event.type === 'agent.update' && event.data['sessionUpdate'] === 'agent_message_chunk')
    .map(({ event }) => (event.data['content'] as { text: string }).text)
    .join('');
}

export const isEnd = ({ event }: Seen) =>
  /^turn\.(completed|failed|cancelled|superseded|merged|paused|lost)$/.test(event.type);

/** Follows a session from `offset` until `isLast` says so; at most 30 s, unless it is said otherwise. */
export async function followUntil(
  stack: Stack,
  session_id: string,
  isLast: (seen: Seen) => boolean = isEnd,
  offset = '-1',
  withinMs = 30_000,
): Promise<Seen[]> {
  const deadline = new AbortController();
  const timer = setTimeout(() => deadline.abort(), withinMs);
  const all: Seen[] = [];
  try {
    for await (const seen of stack.client.followSession(session_id, { offset, signal: deadline.signal })) {
      all.push(seen);
      if (isLast(seen)) return all;
    }
  } finally {
    clearTimeout(timer);
    deadline.abort();
  }
  throw new Error(`the session did not get that far; seen: ${typesOf(all).join(', ')}`);
}
