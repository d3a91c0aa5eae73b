import { AppendMalformed, readJsonMessages } from '@holdfast/durable-streams';
import { EventTypeReserved } from './session-log.errors.js';

/** What one append of a runner holds. */
export interface RunnerEvents {
  /** The turn that all of them are of. */
  turn_id: string;
  messages: Buffer[];
}

/** Most messages in one append. */
export const MAX_MESSAGES = 1000;

/** The request's headers, with `producer-id`, `producer-epoch` and `producer-seq` of an idempotent producer (Durable Streams, "Idempotent Producers"). */
export type ProducerHeaders = Record<string, string | string[] | undefined>;

const UUID = /^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/i;

/** Transcripts read no deeper. */
const MAX_DEPTH = 200;

const INTEGER = /^\d{1,16}$/;

/** Errors: append_malformed. All three headers are required on a session's log. */
export function parseProducer(headers: ProducerHeaders, requiredId: string): { epoch: number; seq: number } {
  if (headers['producer-id'] !== requiredId) {
    throw AppendMalformed({ reason: `The log of a session takes Producer-Id "${requiredId}" only.` });
  }
  return { epoch: parseInteger(headers['producer-epoch']), seq: parseInteger(headers['producer-seq']) };
}

function parseInteger(header: string | string[] | undefined): number {
  const value = typeof header === 'string' && INTEGER.test(header) ? Number(header) : Number.NaN;
  if (Number.isSafeInteger(value)) return value;
  throw AppendMalformed({ reason: 'Producer-Epoch and Producer-Seq must be integers from 0 to 2^53 - 1.' });
}

/**
 * The messages of a runner's append, in the bytes they were sent in: a JSON array of events of type `agent.*`.
 * Errors: append_malformed, event_type_reserved, message_too_large.
 */
export function parseRunnerEvents(body: Buffer): RunnerEvents {
  const { values: events, messages } = readJsonMessages(body);
  if (events.length === 0 || events.length > MAX_MESSAGES) {
    throw AppendMalformed({ reason: `Append from 1 to ${MAX_MESSAGES} events at once, not ${events.length}.` });
  }
  const turn_id = (events[0] as { turn_id?: string } | null)?.turn_id;
  for (const event of events) {
    if (!isRunnerEvent(event)) {
      throw AppendMalformed({
        reason: 'An event is {type: string, at: ISO 8601, turn_id: UUID, data: object}, nested at most 200 deep.',
      });
    }
    if (!event.type.startsWith('agent.')) throw EventTypeReserved({ type: event.type.slice(0, 64) });
    if (event.turn_id !== turn_id) throw AppendMalformed({ reason: 'The events of one append are of one turn.' });
  }
  return { turn_id: turn_id!, messages };
}

function isRunnerEvent(event: unknown): event is { type: string; turn_id: string } {
  if (typeof event !== 'object' || event === null || Object.keys(event).length !== 4) return false;
  const { type, at, turn_id, data } = event as Record<string, unknown>;
  return (
    typeof type === 'string' &&
    typeof at === 'string' &&
    !Number.isNaN(Date.parse(at)) &&
    typeof turn_id === 'string' &&
    UUID.test(turn_id) &&
    typeof data === 'object' &&
    data !== null &&
    !Array.isArray(data) &&
    depthOf(data) <= MAX_DEPTH
  );
}

/** How deep a value nests, counted no further than it matters. */
function depthOf(value: unknown, above = 0): number {
  if (typeof value !== 'object' || value === null || above > MAX_DEPTH) return above;
  return Object.values(value).reduce(
    (deepest: number, inner) => Math.max(deepest, depthOf(inner, above + 1)),
    above + 1,
  );
}
