const QUOTE = 0x22;
const BACKSLASH = 0x5c;
const COLON = 0x3a;
const COMMA = 0x2c;
const OPEN_BRACE = 0x7b;
const CLOSE_BRACE = 0x7d;
const OPEN_BRACKET = 0x5b;
const CLOSE_BRACKET = 0x5d;

export interface Span {
  start: number;
  end: number;
}

/**
 * Where the value at a path of keys lies in JSON text, so that it alone can be read or changed and every other byte stays.
 * Undefined where it is absent, or where the text up to there is not JSON.
 */
export function jsonSpan(text: Buffer, keys: readonly string[]): Span | undefined {
  let at = skipSpace(text, 0);
  for (const key of keys) {
    const value = memberOf(text, at, key);
    if (value === undefined) return undefined;
    at = value;
  }
  const end = skipValue(text, at);
  return end === undefined ? undefined : { start: at, end };
}

/** Where the items of the array at a path of keys lie; empty where there is no array. */
export function jsonItems(text: Buffer, keys: readonly string[]): Span[] {
  const array = jsonSpan(text, keys);
  if (!array || text[array.start] !== OPEN_BRACKET) return [];
  const items: Span[] = [];
  let at = skipSpace(text, array.start + 1);
  while (at < array.end && text[at] !== CLOSE_BRACKET) {
    const end = skipValue(text, at);
    if (end === undefined) return [];
    items.push({ start: at, end });
    at = skipSpace(text, end);
    if (text[at] === COMMA) at = skipSpace(text, at + 1);
  }
  return items;
}

/** The string at a path of keys. */
export function jsonString(text: Buffer, keys: readonly string[]): string | undefined {
  const span = jsonSpan(text, keys);
  if (!span || text[span.start] !== QUOTE) return undefined;
  return parsedString(text, span);
}

export function spliced(text: Buffer, { start, end }: Span, value: Buffer): Buffer {
  return Buffer.concat([text.subarray(0, start), value, text.subarray(end)]);
}

/** Where the value of a key begins in the object that begins at `at`. */
function memberOf(text: Buffer, at: number, wanted: string): number | undefined {
  if (text[at] !== OPEN_BRACE) return undefined;
  at = skipSpace(text, at + 1);
  while (text[at] === QUOTE) {
    const keyEnd = skipString(text, at);
    if (keyEnd === undefined) return undefined;
    const colon = skipSpace(text, keyEnd);
    if (text[colon] !== COLON) return undefined;
    const value = skipSpace(text, colon + 1);
    if (parsedString(text, { start: at, end: keyEnd }) === wanted) return value;

    const end = skipValue(text, value);
    if (end === undefined) return undefined;
    const next = skipSpace(text, end);
    if (text[next] !== COMMA) return undefined;
    at = skipSpace(text, next + 1);
  }
  return undefined;
}

function parsedString(text: Buffer, { start, end }: Span): string | undefined {
  try {
    return JSON.parse(text.toString('utf8', start, end)) as string;
  } catch {
    return undefined;
  }
}

/** The end of the value that begins at `at`. */
function skipValue(text: Buffer, at: number): number | undefined {
  const first = text[at];
  if (first === QUOTE) return skipString(text, at);
  if (first === OPEN_BRACE || first === OPEN_BRACKET) return skipNested(text, at);
  let end = at;
  while (end < text.length && !endsScalar(text[end]!)) end++;
  return end > at ? end : undefined;
}

function skipNested(text: Buffer, at: number): number | undefined {
  let depth = 0;
  while (at < text.length) {
    const byte = text[at]!;
    if (byte === QUOTE) {
      const end = skipString(text, at);
      if (end === undefined) return undefined;
      at = end;
      continue;
    }
    if (byte === OPEN_BRACE || byte === OPEN_BRACKET) depth++;
    if (byte === CLOSE_BRACE || byte === CLOSE_BRACKET) depth--;
    at++;
    if (depth === 0) return at;
  }
  return undefined;
}

function skipString(text: Buffer, at: number): number | undefined {
  for (let end = at + 1; end < text.length; end++) {
    if (text[end] === BACKSLASH) end++;
    else if (text[end] === QUOTE) return end + 1;
  }
  return undefined;
}

function skipSpace(text: Buffer, at: number): number {
  while (isSpace(text[at])) at++;
  return at;
}

function endsScalar(byte: number): boolean {
  return byte === COMMA || byte === CLOSE_BRACE || byte === CLOSE_BRACKET || isSpace(byte);
}

function isSpace(byte: number | undefined): boolean {
  return byte === 0x20 || byte === 0x09 || byte === 0x0a || byte === 0x0d;
}
