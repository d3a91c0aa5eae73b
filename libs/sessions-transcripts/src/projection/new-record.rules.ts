import type { SessionRecordType } from '../dto/session-record.dto.js';
import type { JsonObject, SessionEvent } from './session-event.rules.js';

/** The events that one item of a transcript was made from. */
export interface Span {
  turn_id: string | null;
  position: number;
  last_position: number;
  started_at: string;
  ended_at: string;
}

/** A finished item of a transcript, within its session and generation. */
export interface NewRecord extends Span {
  type: SessionRecordType;
  content: JsonObject;
}

export function spanOf({ turn_id, position, at }: SessionEvent): Span {
  return { turn_id, position, last_position: position, started_at: at, ended_at: at };
}

export function extend(span: Span, { position, at }: SessionEvent): void {
  span.last_position = position;
  span.ended_at = at;
}

export function recordOf(span: Span, type: SessionRecordType, content: JsonObject): NewRecord {
  const { turn_id, position, last_position, started_at, ended_at } = span;
  return { type, turn_id, position, last_position, started_at, ended_at, content };
}
