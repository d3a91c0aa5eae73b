import { extend, recordOf, spanOf, type NewRecord, type Span } from './new-record.rules.js';
import {
  closeAnswered,
  closeInteraction,
  takeAnswer,
  takeRequest,
  type OpenInteraction,
} from './open-interactions.rules.js';
import { closeRun, takeChunk, takePlan, type OpenRun, type RunStep } from './open-run.rules.js';
import { interruptToolCalls, isAboutOpenCall, takeToolCall, type OpenToolCalls } from './open-tool-calls.rules.js';
import {
  readSessionEvent,
  updateMembers,
  type JsonObject,
  type PositionedEvent,
  type SessionEvent,
} from './session-event.rules.js';

/** What has begun and is not finished: plain JSON, bounded, and all that a projection must remember. */
export interface OpenItems {
  run: OpenRun | null;
  tool_calls: OpenToolCalls;
  interactions: OpenInteraction[];
  /** The latest `usage_update` of a turn. */
  usage: (Span & { context: JsonObject }) | null;
}

/** How far a log has been projected, and what is open there. */
export interface Projection {
  /** The first position that is not projected. */
  position: number;
  open: OpenItems;
}

/** Where every generation of a log begins. */
export function startOfLog(): Projection {
  return { position: 0, open: { run: null, tool_calls: { open: [], finished: [] }, interactions: [], usage: null } };
}

/**
 * Turns events into finished records. Where the events are cut into batches makes no difference, and events below
 * `from.position` are passed over. An event begins at most one record, so its position names that record.
 */
export function project(from: Projection, events: PositionedEvent[]): { records: NewRecord[]; state: Projection } {
  const open = structuredClone(from.open);
  const records: NewRecord[] = [];
  let position = from.position;
  for (const message of events) {
    if (message.position < position) continue;
    position = message.position + 1;
    const event = readSessionEvent(message);
    if (event) records.push(...takeEvent(open, event));
  }
  return { records, state: { position, open } };
}

function takeEvent(open: OpenItems, event: SessionEvent): NewRecord[] {
  switch (event.type) {
    case 'agent.update':
      return takeUpdate(open, event);
    case 'interaction.requested':
      return [...endRun(open), ...takeRequest(open.interactions, event)];
    case 'interaction.responded':
      takeAnswer(open.interactions, event);
      return [];
    case 'interaction.resolved':
      return closeInteraction(open.interactions, 'resolved', event);
    case 'interaction.cancelled':
      return closeInteraction(open.interactions, 'cancelled', event);
    case 'turn.queued':
    // A prompt that the live turn took never goes in line itself.
    case 'turn.merged':
      return userMessage(event);
    case 'turn.starting':
      return [...endRun(open), ...interruptToolCalls(open.tool_calls, event)];
    case 'turn.completed':
    case 'turn.failed':
    case 'turn.cancelled':
    case 'turn.superseded':
    case 'turn.paused':
    case 'turn.lost':
      // What only waited was no part of the conversation, and another turn may be in the middle of it.
      return event.data.from === 'inbox' ? [] : endTurn(open, event);
    default:
      return [];
  }
}

function takeUpdate(open: OpenItems, event: SessionEvent): NewRecord[] {
  switch (event.data.sessionUpdate) {
    case 'agent_message_chunk':
      return keepRun(open, takeChunk(open.run, 'agent_message', event));
    case 'agent_thought_chunk':
      return keepRun(open, takeChunk(open.run, 'thought', event));
    case 'plan':
      return keepRun(open, takePlan(open.run, event));
    case 'tool_call':
    case 'tool_call_update':
      if (!isAboutOpenCall(open.tool_calls, event)) return [];
      return [...endRun(open), ...takeToolCall(open.tool_calls, event)];
    case 'usage_update':
      return takeUsage(open, event);
    default:
      // user_message_chunk among them: agents replay with it what somebody said before, or what they injected.
      return [];
  }
}

function keepRun(open: OpenItems, { run, records }: RunStep): NewRecord[] {
  open.run = run;
  return records;
}

function endRun(open: OpenItems): NewRecord[] {
  return keepRun(open, { run: null, records: closeRun(open.run) });
}

function userMessage(event: SessionEvent): NewRecord[] {
  const { prompt, by_id = null } = event.data;
  if (!prompt || (Array.isArray(prompt) && prompt.length === 0)) return [];
  return [recordOf(spanOf(event), 'user_message', { prompt, by_id })];
}

function takeUsage(open: OpenItems, event: SessionEvent): NewRecord[] {
  const context = updateMembers(event);
  if (open.usage && open.usage.turn_id === event.turn_id) {
    open.usage.context = context;
    extend(open.usage, event);
    return [];
  }
  const records = endUsage(open);
  open.usage = { ...spanOf(event), context };
  return records;
}

function endUsage(open: OpenItems, end?: SessionEvent): NewRecord[] {
  const { usage } = open;
  open.usage = null;
  if (!usage) return [];
  const isOwnEnd = end?.turn_id === usage.turn_id;
  if (isOwnEnd) extend(usage, end);
  return [recordOf(usage, 'usage', { context: usage.context, turn: isOwnEnd ? (end.data.usage ?? null) : null })];
}

function endTurn(open: OpenItems, event: SessionEvent): NewRecord[] {
  const { stop_reason = null, usage = null, error = null } = event.data;
  const status = event.type.slice('turn.'.length);
  return [
    ...endRun(open),
    ...interruptToolCalls(open.tool_calls, event),
    ...closeAnswered(open.interactions, event.turn_id),
    ...endUsage(open, event),
    recordOf(spanOf(event), 'turn_end', { status, stop_reason, usage, error }),
  ];
}
