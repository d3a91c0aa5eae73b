/** One message of a session's log. `type` decides what `data` holds; the README lists the types. */
export interface SessionEvent {
  type: string;
  /** ISO 8601, UTC. */
  at: string;
  turn_id: string | null;
  data: Record<string, unknown>;
}

/** An event and the offset after it: hand that back to go on with the next one. */
export interface LoggedEvent<Message = SessionEvent> {
  event: Message;
  offset: string;
}

const POSITION_DIGITS = 16;

/** Numbers the events that end at `end`. An offset is `generation_position`, and the position counts events. */
export function withOffsets<Message>(events: readonly Message[], end: string): LoggedEvent<Message>[] {
  const generation = end.slice(0, -POSITION_DIGITS);
  const first = Number(end.slice(-POSITION_DIGITS)) - events.length + 1;
  return events.map((event, index) => ({
    event,
    offset: generation + String(first + index).padStart(POSITION_DIGITS, '0'),
  }));
}
