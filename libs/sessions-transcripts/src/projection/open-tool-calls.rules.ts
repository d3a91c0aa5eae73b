import { extend, recordOf, spanOf, type NewRecord, type Span } from './new-record.rules.js';
import { takeOverflow } from './open-limit.rules.js';
import { updateMembers, type JsonObject, type SessionEvent } from './session-event.rules.js';
import { takeMeta } from './terminal-output.rules.js';

/** A tool call that has not finished: the members of ACP's ToolCall that are known so far. */
export interface OpenToolCall extends Span {
  tool_call: JsonObject;
  bytes: number;
}

/** The tool calls of the present attempt. */
export interface OpenToolCalls {
  /** In the order of their first events. */
  open: OpenToolCall[];
  /** Ids of the latest finished ones: what agents still say about them is not a new call. */
  finished: string[];
}

/** How many finished ids are remembered. */
export const MAX_FINISHED_IDS = 1000;

/** Whether an update is about a call that can still change. */
export function isAboutOpenCall(calls: OpenToolCalls, { data }: SessionEvent): boolean {
  return typeof data.toolCallId === 'string' && !calls.finished.includes(data.toolCallId);
}

/**
 * Takes a `tool_call` or a `tool_call_update`. Both merge alike, since some agents send only updates, and some send an
 * update first; a member that is absent or null leaves what is known (ACP v1, "Updating").
 */
export function takeToolCall(calls: OpenToolCalls, event: SessionEvent): NewRecord[] {
  const news = Object.fromEntries(Object.entries(updateMembers(event)).filter(([, value]) => value !== null));

  const call = findOrBegin(calls, event);
  if ('_meta' in news) news._meta = takeMeta(call.tool_call._meta, news._meta);
  call.tool_call = { ...call.tool_call, ...news };
  call.bytes = Buffer.byteLength(JSON.stringify(call.tool_call));
  extend(call, event);

  const { status } = call.tool_call;
  if (status === 'completed' || status === 'failed') {
    calls.open.splice(calls.open.indexOf(call), 1);
    return [finish(calls, call, status)];
  }
  return takeOverflow(calls.open).map((oldest) => finish(calls, oldest, 'interrupted'));
}

/** Closes what the end of the turn, or of the attempt, left unfinished; later ids are new calls. */
export function interruptToolCalls(calls: OpenToolCalls, event: SessionEvent): NewRecord[] {
  const records = calls.open.map((call) => {
    extend(call, event);
    return toolCallRecord(call, 'interrupted');
  });
  calls.open = [];
  calls.finished = [];
  return records;
}

function findOrBegin(calls: OpenToolCalls, event: SessionEvent): OpenToolCall {
  const known = calls.open.find(({ tool_call }) => tool_call.toolCallId === event.data.toolCallId);
  if (known) return known;
  const call: OpenToolCall = { ...spanOf(event), tool_call: {}, bytes: 0 };
  calls.open.push(call);
  return call;
}

function finish(calls: OpenToolCalls, call: OpenToolCall, status: string): NewRecord {
  calls.finished.push(call.tool_call.toolCallId as string);
  if (calls.finished.length > MAX_FINISHED_IDS) calls.finished.shift();
  return toolCallRecord(call, status);
}

function toolCallRecord(call: OpenToolCall, status: string): NewRecord {
  return recordOf(call, 'tool_call', { status, tool_call: call.tool_call });
}
