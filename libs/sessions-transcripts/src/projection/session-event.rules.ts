/** A JSON object whose members are not known here: what agents say is carried, not understood. */
export type JsonObject = Record<string, unknown>;

/** One message of a session's log as it was read. */
export interface PositionedEvent {
  position: number;
  event: unknown;
}

/** An event of a session's log: the envelope that every writer puts around its facts. */
export interface SessionEvent {
  position: number;
  type: string;
  /** ISO 8601, UTC. */
  at: string;
  turn_id: string | null;
  data: JsonObject;
}

const UUID = /^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/i;

/** How deep data may nest, itself included. Beyond some thousands, neither JSON.stringify nor structuredClone can take it. */
export const MAX_DEPTH = 256;

/** The event in a message, or undefined for a message that is none: the log may hold what we do not know yet. */
export function readSessionEvent({ position, event }: PositionedEvent): SessionEvent | undefined {
  if (!isJsonObject(event) || typeof event.type !== 'string') return undefined;
  const at = utcTime(event.at);
  const turn_id = event.turn_id ?? null;
  const isTurnId = turn_id === null || (typeof turn_id === 'string' && UUID.test(turn_id));
  if (!at || !isTurnId || !isJsonObject(event.data) || !isWithin(MAX_DEPTH, event.data)) return undefined;
  return { position, type: event.type, at, turn_id: turn_id as string | null, data: event.data };
}

export function isJsonObject(value: unknown): value is JsonObject {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

/** The members of an ACP SessionUpdate that are the update's own. */
export function updateMembers({ data }: SessionEvent): JsonObject {
  return Object.fromEntries(Object.entries(data).filter(([member]) => member !== 'sessionUpdate'));
}

function isWithin(depth: number, value: unknown): boolean {
  if (typeof value !== 'object' || value === null) return true;
  return depth > 0 && Object.values(value).every((member) => isWithin(depth - 1, member));
}

/** PostgreSQL takes the years 1 to 9999 in ISO form only. */
function utcTime(value: unknown): string | undefined {
  const time = new Date(typeof value === 'string' ? value : Number.NaN);
  if (Number.isNaN(time.getTime())) return undefined;
  const text = time.toISOString();
  return /^(?!0000)\d{4}-/.test(text) ? text : undefined;
}
