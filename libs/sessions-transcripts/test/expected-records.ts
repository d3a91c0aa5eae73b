import { project, startOfLog } from '../src/projection/transcript-projection.rules.js';
import { event, logOf } from './session-events.js';

/** Records of a whole log, by type, content and the positions they span. */
export function recordsOf(...events: unknown[]) {
  return project(startOfLog(), logOf(...events)).records.map(({ type, content, position, last_position }) => ({
    type,
    content,
    span: [position, last_position],
  }));
}

export const ended = event('turn.completed', { stop_reason: 'end_turn' });
export const message = (text: string, span: number[], continues = false) => ({
  type: 'agent_message',
  content: { blocks: [{ type: 'text', text }], continues },
  span,
});
export const thought = (text: string, span: number[]) => ({ ...message(text, span), type: 'thought' });
export const toolCall = (status: string, tool_call: object, span: number[]) => ({
  type: 'tool_call',
  content: { status, tool_call },
  span,
});
export const turnEnd = (position: number, status = 'completed', rest: object = { stop_reason: 'end_turn' }) => ({
  type: 'turn_end',
  content: { status, stop_reason: null, usage: null, error: null, ...rest },
  span: [position, position],
});
