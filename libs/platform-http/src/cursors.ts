import { CursorMalformed } from './http.errors.js';

/** What one part of a cursor may be. A timestamp is ISO 8601. */
export type CursorPart = 'string' | 'integer' | 'timestamp' | 'uuid';

type CursorKey<Shape extends Record<string, CursorPart>> = {
  [Name in keyof Shape]: Shape[Name] extends 'integer' ? number : string;
};

const UUID = /^[0-9a-f]{8}-(?:[0-9a-f]{4}-){3}[0-9a-f]{12}$/i;
const TIMESTAMP = /^\d{4}-\d\d-\d\d[T ]\d\d:\d\d:\d\d(?:\.\d{1,6})?(?:Z|[+-]\d\d(?::?\d\d)?)$/;

const isPart: Record<CursorPart, (value: unknown) => boolean> = {
  string: (value) => typeof value === 'string' && !value.includes('\0'),
  integer: (value) => Number.isSafeInteger(value),
  timestamp: (value) => typeof value === 'string' && TIMESTAMP.test(value) && !Number.isNaN(Date.parse(value)),
  uuid: (value) => typeof value === 'string' && UUID.test(value),
};

/** The sort key of a page's last row, as the opaque text of `next_cursor`. */
export function encodeCursor(key: Record<string, string | number>): string {
  return Buffer.from(JSON.stringify(key)).toString('base64url');
}

/**
 * The sort key to go on after, undefined for the first page. Whatever the caller sent instead of a cursor of this
 * `shape` is `cursor_malformed`, so the parts are safe to hand to SQL.
 */
export function decodeCursor<Shape extends Record<string, CursorPart>>(
  cursor: string | undefined,
  shape: Shape,
): CursorKey<Shape> | undefined {
  if (cursor === undefined) return undefined;
  const key = parse(cursor);
  for (const [name, part] of Object.entries(shape)) {
    if (!isPart[part](key[name])) throw CursorMalformed();
  }
  return key as CursorKey<Shape>;
}

function parse(cursor: string): Record<string, unknown> {
  try {
    const key: unknown = JSON.parse(Buffer.from(cursor, 'base64url').toString());
    if (typeof key === 'object' && key !== null) return key as Record<string, unknown>;
  } catch {
    // Refused below, like everything else that is not one of our cursors.
  }
  throw CursorMalformed();
}
