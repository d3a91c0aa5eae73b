import { extend, recordOf, spanOf, type NewRecord, type Span } from './new-record.rules.js';
import { takeOverflow } from './open-limit.rules.js';
import type { JsonObject, SessionEvent } from './session-event.rules.js';

/** A question that is not closed yet. */
export interface OpenInteraction extends Span {
  interaction_id: string;
  kind: unknown;
  request: unknown;
  answer: { verdict: unknown; by_id: unknown } | null;
  bytes: number;
}

/** Opens a question. One that was asked before stays as it is. */
export function takeRequest(open: OpenInteraction[], event: SessionEvent): NewRecord[] {
  const { interaction_id, kind = null, request = null } = event.data;
  if (typeof interaction_id !== 'string' || find(open, event)) return [];
  const bytes = Buffer.byteLength(JSON.stringify(request));
  open.push({ ...spanOf(event), interaction_id, kind, request, answer: null, bytes });
  return takeOverflow(open).map((oldest) => interactionRecord(oldest, oldest.answer ? 'responded' : 'unanswered'));
}

/** Notes the answer; the record waits for what became of it. */
export function takeAnswer(open: OpenInteraction[], event: SessionEvent): void {
  const interaction = find(open, event);
  if (!interaction) return;
  const { verdict = null, by_id = null } = event.data;
  interaction.answer = { verdict, by_id };
  extend(interaction, event);
}

/** Closes a question that the agent has taken up, or that nobody may answer any more. */
export function closeInteraction(
  open: OpenInteraction[],
  outcome: 'resolved' | 'cancelled',
  event: SessionEvent,
): NewRecord[] {
  const interaction = find(open, event);
  if (!interaction) return [];
  open.splice(open.indexOf(interaction), 1);
  extend(interaction, event);
  return [interactionRecord(interaction, outcome, event.data.reason)];
}

/**
 * At a turn's end, closes the questions whose answer the agent never took up. Open ones wait: they are cancelled by
 * events of their own, which may follow the turn's end.
 */
export function closeAnswered(open: OpenInteraction[], turn_id: string | null): NewRecord[] {
  const answered = open.filter((interaction) => interaction.answer && interaction.turn_id === turn_id);
  for (const interaction of answered) open.splice(open.indexOf(interaction), 1);
  return answered.map((interaction) => interactionRecord(interaction, 'responded'));
}

function find(open: OpenInteraction[], { data }: SessionEvent): OpenInteraction | undefined {
  return open.find(({ interaction_id }) => interaction_id === data.interaction_id);
}

function interactionRecord(interaction: OpenInteraction, outcome: string, reason: unknown = null): NewRecord {
  const { interaction_id, kind, request, answer } = interaction;
  const content: JsonObject = { interaction_id, kind, request, verdict: null, by_id: null, ...answer, outcome, reason };
  return recordOf(interaction, 'interaction', content);
}
