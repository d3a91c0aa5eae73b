import type { SessionInteractionRequest, SessionTurnBeat } from '@holdfast/client';
import { ControlPlaneRefusal, type TurnEnd } from '../src/control-plane.js';

const optionKinds = new Set(['allow_once', 'allow_always', 'reject_once', 'reject_always']);

export interface LogEvent {
  type: string;
  at: string;
  turn_id: string;
  data: Record<string, unknown> & { sessionUpdate?: string };
}

export function demandEnd({ stop_reason, usage, error }: TurnEnd): void {
  demand(stop_reason === undefined || stop_reason.length <= 64, 'stop_reason');
  demand(usage === undefined || isObject(usage), 'usage');
  demand(!error || (/^[a-z][a-z0-9_]{0,63}$/.test(error.code) && error.message.length <= 4_000), 'error');
}

export function demandBeat({ agent_session_id }: SessionTurnBeat): void {
  demand(agent_session_id === undefined || agent_session_id.length <= 256, 'agent_session_id');
}

export function demandQuestion({ token, request }: { token: string; request: SessionInteractionRequest }): void {
  demand(token.length <= 256, 'token');
  demand(JSON.stringify(request).length <= 256 * 1024, 'request');
  demand(isObject(request.tool_call), 'tool_call');
  const isSound = request.options.every(
    ({ option_id, name, kind }) => option_id !== '' && name.length <= 1_024 && optionKinds.has(kind),
  );
  demand(isSound && request.options.length > 0, 'options');
}

export function demandEvents(events: readonly string[]): LogEvent[] {
  demand(events.length > 0 && events.length <= 1_000, 'events');
  demand(
    events.every((text) => Buffer.byteLength(text) <= 1024 * 1024),
    'events',
  );
  const parsed = events.map((text) => JSON.parse(text) as LogEvent);
  demand(
    parsed.every(({ type, data }) => type.startsWith('agent.') && isObject(data)),
    'events',
  );
  return parsed;
}

function isObject(value: unknown): boolean {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

/** Refuses as the api's validation does. */
function demand(isSound: boolean, field: string): void {
  if (!isSound) throw new ControlPlaneRefusal(400, 'request_invalid', field);
}
