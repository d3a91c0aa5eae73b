import { isUtf8 } from 'node:buffer';
import { AppendMalformed, MessageTooLarge } from '../durable-streams.errors.js';

/** The largest message of a log of JSON. */
export const MAX_MESSAGE_BYTES = 1024 * 1024;

/** Most messages in one append. */
export const MAX_MESSAGES = 10_000;

/**
 * The messages of a body in JSON mode: one value, or the elements of an array (one level; Durable Streams, "JSON Mode").
 * Each keeps the bytes it was sent in and is one line, so that it can be part of an SSE frame. An empty array is no
 * message. Errors: append_malformed, message_too_large.
 */
export function readJsonMessages(body: Buffer): { values: unknown[]; messages: Buffer[] } {
  const value = parse(body);
  const isArray = Array.isArray(value);
  if (isArray && value.length > MAX_MESSAGES) {
    throw AppendMalformed({ reason: `An append holds at most ${MAX_MESSAGES} messages, not ${value.length}.` });
  }
  const line = onOneLine(body);
  const messages = isArray ? elementsOf(line) : [trim(line)];
  for (const { length } of messages) {
    if (length > MAX_MESSAGE_BYTES) throw MessageTooLarge({ bytes: length, limit: MAX_MESSAGE_BYTES });
  }
  return { values: isArray ? value : [value], messages };
}

function parse(body: Buffer): unknown {
  if (!isUtf8(body)) throw AppendMalformed({ reason: 'The body is not JSON: it is not UTF-8.' });
  try {
    return JSON.parse(body.toString('utf8'));
  } catch {
    throw AppendMalformed({ reason: 'The body is not JSON.' });
  }
}

const LINE_FEED = 0x0a;
const CARRIAGE_RETURN = 0x0d;

/** Line breaks of valid JSON stand between tokens only, where a space says the same. */
function onOneLine(body: Buffer): Buffer {
  if (!body.includes(LINE_FEED) && !body.includes(CARRIAGE_RETURN)) return body;
  return Buffer.from(body.map((byte) => (byte === LINE_FEED || byte === CARRIAGE_RETURN ? SPACE : byte)));
}

const QUOTE = 0x22;
const BACKSLASH = 0x5c;
const COMMA = 0x2c;
const SPACE = 0x20;
const TAB = 0x09;

/** The elements of a JSON array that was found to be valid, each in the bytes that it has there. */
export function elementsOf(array: Buffer): Buffer[] {
  const body = trim(array);
  const inside = trim(body, 1, body.length - 1);
  if (inside.length === 0) return [];
  const elements: Buffer[] = [];
  let depth = 0;
  let start = 0;
  for (let at = 0; at < inside.length; at++) {
    const byte = inside[at]!;
    if (byte === QUOTE) {
      at = endOfString(inside, at);
    } else if (byte === COMMA) {
      if (depth > 0) continue;
      elements.push(trim(inside, start, at));
      start = at + 1;
    } else if (byte === 0x5b || byte === 0x7b) {
      depth += 1;
    } else if (byte === 0x5d || byte === 0x7d) {
      depth -= 1;
    }
  }
  elements.push(trim(inside, start));
  return elements;
}

/** Where the string that opens at `open` closes. */
function endOfString(text: Buffer, open: number): number {
  for (let close = text.indexOf(QUOTE, open + 1); ; close = text.indexOf(QUOTE, close + 1)) {
    let backslashes = 0;
    while (text[close - 1 - backslashes] === BACKSLASH) backslashes += 1;
    if (backslashes % 2 === 0) return close;
  }
}

function trim(text: Buffer, start = 0, end = text.length): Buffer {
  while (text[start] === SPACE || text[start] === TAB) start += 1;
  while (end > start && (text[end - 1] === SPACE || text[end - 1] === TAB)) end -= 1;
  return text.subarray(start, end);
}
