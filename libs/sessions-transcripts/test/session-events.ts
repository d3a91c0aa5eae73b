import type { PositionedEvent } from '../src/projection/session-event.rules.js';

export const TURN = '0199a000-0000-7000-8000-000000000001';
export const OTHER_TURN = '0199a000-0000-7000-8000-000000000002';

/** An event before it has a place in a log. */
export interface UnplacedEvent {
  type: string;
  at: string;
  turn_id: string | null;
  data: object;
}

export function event(type: string, data: object = {}, turn_id: string | null = TURN): UnplacedEvent {
  return { type, at: '2026-01-01T00:00:00.000Z', turn_id, data };
}

export function update(sessionUpdate: string, rest: object = {}, turn_id: string | null = TURN): UnplacedEvent {
  return event('agent.update', { sessionUpdate, ...rest }, turn_id);
}

export const say = (text: string, rest: object = {}) =>
  update('agent_message_chunk', { content: { type: 'text', text }, ...rest });

export const think = (text: string) => update('agent_thought_chunk', { content: { type: 'text', text } });

export const call = (toolCallId: string, rest: object = {}) => update('tool_call', { toolCallId, ...rest });

export const callUpdate = (toolCallId: string, rest: object = {}) =>
  update('tool_call_update', { toolCallId, ...rest });

/** A turn with one of most things. */
export const conversation = [
  event('session.created', { name: null }),
  event('turn.queued', { prompt: 'Hi', by_id: 'u' }),
  event('turn.starting', { attempt: 1 }),
  think('hm'),
  say('Hel'),
  say('lo'),
  call('a', { title: 'Read' }),
  call('b', { title: 'Run' }),
  callUpdate('b', { status: 'completed' }),
  say('By'),
  say('e'),
  event('turn.completed', { stop_reason: 'end_turn' }),
];

/** Gives events their positions, and times that grow by a second each. */
export function logOf(...events: unknown[]): PositionedEvent[] {
  return events.map((each, position) => ({
    position,
    event: isUnplaced(each) ? { ...each, at: timeOf(position) } : each,
  }));
}

export function timeOf(position: number): string {
  return new Date(Date.UTC(2026, 0, 1) + position * 1000).toISOString();
}

function isUnplaced(value: unknown): value is UnplacedEvent {
  return typeof value === 'object' && value !== null && 'at' in value && typeof value.at === 'string';
}
