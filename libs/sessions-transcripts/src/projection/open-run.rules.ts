import { extend, recordOf, spanOf, type NewRecord, type Span } from './new-record.rules.js';
import { cutPlace } from './cut-place.rules.js';
import { isJsonObject, type JsonObject, type SessionEvent } from './session-event.rules.js';

/** The longest run of chunks that is held open, in UTF-8 bytes; what follows goes into a record of its own. */
export const MAX_MESSAGE_BYTES = 1024 * 1024;

/** A message or a thought that is still being streamed. */
export interface OpenMessage extends Span {
  type: 'agent_message' | 'thought';
  /** Most agents send none; where there is one, its change is a new message. */
  message_id: string | null;
  blocks: JsonObject[];
  bytes: number;
  /** The record before it was closed for its length only. */
  continues: boolean;
}

/** The latest of plan updates with nothing visible between them. */
export interface OpenPlan extends Span {
  type: 'plan';
  entries: unknown[];
}

/** What adjacent updates add to: at most one of these is open in a session. */
export type OpenRun = OpenMessage | OpenPlan;

/** What is open now, and what was finished by that. */
export interface RunStep {
  run: OpenRun | null;
  records: NewRecord[];
}

/** Adds a chunk to the open message, or closes what is open and begins one. Empty text changes nothing. */
export function takeChunk(open: OpenRun | null, type: OpenMessage['type'], event: SessionEvent): RunStep {
  const block = event.data.content;
  if (!isJsonObject(block) || (block.type === 'text' && !block.text)) return { run: open, records: [] };

  const message_id = typeof event.data.messageId === 'string' ? event.data.messageId : null;
  const bytes = sizeOf(block);
  if (!open || open.type !== type || open.turn_id !== event.turn_id || open.message_id !== message_id) {
    return { run: messageOf(type, message_id, event, block, bytes, false), records: closeRun(open) };
  }
  if (open.bytes + bytes > MAX_MESSAGE_BYTES) {
    return cutMessage(open, messageOf(type, message_id, event, block, bytes, true));
  }
  addBlock(open.blocks, block);
  open.bytes += bytes;
  extend(open, event);
  return { run: open, records: [] };
}

/** Replaces the open plan, or closes what is open and begins one. */
export function takePlan(open: OpenRun | null, event: SessionEvent): RunStep {
  const { entries } = event.data;
  if (!Array.isArray(entries)) return { run: open, records: [] };
  if (open?.type !== 'plan' || open.turn_id !== event.turn_id) {
    return { run: { type: 'plan', ...spanOf(event), entries }, records: closeRun(open) };
  }
  open.entries = entries;
  extend(open, event);
  return { run: open, records: [] };
}

/** The record of what is open; none when it says nothing. */
export function closeRun(open: OpenRun | null): NewRecord[] {
  if (!open) return [];
  if (open.type === 'plan') {
    return open.entries.length > 0 ? [recordOf(open, 'plan', { entries: open.entries })] : [];
  }
  return isBlank(open) ? [] : [messageRecord(open)];
}

function messageOf(
  type: OpenMessage['type'],
  message_id: string | null,
  event: SessionEvent,
  block: JsonObject,
  bytes: number,
  continues: boolean,
): OpenMessage {
  return { type, ...spanOf(event), message_id, blocks: [block], bytes, continues };
}

/** What the last line has so far goes along, so that no word of it stands half here and half there. */
function cutMessage(open: OpenMessage, next: OpenMessage): RunStep {
  const last = open.blocks.at(-1)!;
  const first = next.blocks[0]!;
  if (isPlain(last) && isPlain(first)) {
    const place = cutPlace(last.text);
    const moved = last.text.slice(place);
    open.blocks[open.blocks.length - 1] = { ...last, text: last.text.slice(0, place) };
    next.blocks[0] = { ...first, text: moved + first.text };
    next.bytes += Buffer.byteLength(moved);
  }
  return { run: next, records: [messageRecord(open)] };
}

function messageRecord(open: OpenMessage): NewRecord {
  return recordOf(open, open.type, { blocks: open.blocks, continues: open.continues });
}

/** Text joins the text before it, unless annotations say that one of them is for somebody else. */
function addBlock(blocks: JsonObject[], block: JsonObject): void {
  const last = blocks.at(-1);
  if (last && isPlain(last) && isPlain(block)) {
    blocks[blocks.length - 1] = { ...last, text: last.text + block.text };
  } else {
    blocks.push(block);
  }
}

function isPlain(block: JsonObject): block is JsonObject & { text: string } {
  return isText(block) && !block.annotations;
}

function isText(block: JsonObject): block is JsonObject & { text: string } {
  return block.type === 'text' && typeof block.text === 'string';
}

/** A blank rest of a long message is part of it, so only a whole message can be blank. */
function isBlank(message: OpenMessage): boolean {
  return !message.continues && message.blocks.every((block) => isText(block) && block.text.trim() === '');
}

function sizeOf(block: JsonObject): number {
  return Buffer.byteLength(isPlain(block) ? block.text : JSON.stringify(block));
}
