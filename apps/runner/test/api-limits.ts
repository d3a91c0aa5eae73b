import type { SessionInteractionRequest, SessionRunnerRegister, SessionTurnBeat } from '@holdfast/client';
import { ControlPlaneRefusal, type TurnEnd } from '../src/control-plane.js';

const optionKinds = new Set(['allow_once', 'allow_always', 'reject_once', 'reject_always']);

/** U+0000 and halves of surrogate pairs. */
const unstorable = /[\0\p{Surrogate}]/u;

const labelForm = /^[a-z0-9][a-z0-9_./-]{0,62}=[A-Za-z0-9_./-]{1,63}$/;

export interface LogEvent {
  type: string;
  at: string;
  turn_id: string;
  data: Record<string, unknown> & { sessionUpdate?: string };
}

export function demandRegistration({ pools, private_pool, labels = [], capacity = 1 }: SessionRunnerRegister): void {
  demand((pools.length > 0 || private_pool !== undefined) && pools.length <= 20, 'pools');
  demand(private_pool === undefined || /^[a-z0-9][a-z0-9_-]{0,63}$/.test(private_pool), 'private_pool');
  demand(labels.length <= 20 && labels.every((label) => labelForm.test(label)), 'labels');
  demand(Number.isInteger(capacity) && capacity >= 1 && capacity <= 1_000, 'capacity');
}

export function demandEnd(end: TurnEnd): void {
  demandBody(end);
  const { stop_reason, usage, error } = end;
  demand(stop_reason === undefined || stop_reason.length <= 64, 'stop_reason');
  demand(usage === undefined || isObject(usage), 'usage');
  demand(!error || (/^[a-z][a-z0-9_]{0,63}$/.test(error.code) && error.message.length <= 4_000), 'error');
}

/** Each line of a beat is judged by itself. */
export function isSoundBeat({ agent_session_id: text }: SessionTurnBeat): boolean {
  return text === undefined || (text.length <= 256 && !unstorable.test(text));
}

export function demandQuestion({ token, request }: { token: string; request: SessionInteractionRequest }): void {
  demandBody({ token, request });
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
    parsed.every(({ type, data }) => type.startsWith('agent.') && isObject(data) && levelsOf(data) <= 200),
    'events',
  );
  return parsed;
}

/** What every request of JSON but an append must be. */
function demandBody(body: object): void {
  demand(levelsOf(body) <= 64, 'depth');
  const json = JSON.stringify(body);
  if (Buffer.byteLength(json) > 1024 * 1024) throw new ControlPlaneRefusal(413, 'body_too_large', '');
  JSON.parse(json, (key, value) => {
    demand(!unstorable.test(key) && !(typeof value === 'string' && unstorable.test(value)), 'text');
    return value;
  });
}

function levelsOf(value: unknown): number {
  if (typeof value !== 'object' || value === null) return 0;
  return 1 + Math.max(0, ...Object.values(value).map(levelsOf));
}

function isObject(value: unknown): boolean {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

/** Refuses as the api's validation does. */
function demand(isSound: boolean, field: string): void {
  if (!isSound) throw new ControlPlaneRefusal(400, 'request_invalid', field);
}
