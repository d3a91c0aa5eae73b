/**
 * What the api stores of what agents say. Its requests take neither U+0000 nor halves of surrogate pairs, and nest at
 * most 64 levels; its log nests at most 200.
 */
import { stripVTControlCharacters } from 'node:util';

/** Of one value in a request, which has levels of its own. */
export const maxRequestValueLevels = 60;
export const maxEventLevels = 200;

/** Whether the text may name something: no control characters and no halves of surrogate pairs. */
export function isStorableName(text: string): boolean {
  return !/[\p{Control}\p{Surrogate}]/u.test(text);
}

/** The first `maxLength` characters, for people to read: of control characters only newlines and tabs stay. */
export function storableStart(text: string, maxLength: number): string {
  return readable(text.slice(0, maxLength).replace(/[\uD800-\uDBFF]$/, ''));
}

/** The last `maxLength` characters, likewise. */
export function storableTail(text: string, maxLength: number): string {
  return readable(text.slice(-maxLength).replace(/^[\uDC00-\uDFFF]/, ''));
}

/** Whether a value that came as JSON can be part of a request. */
export function isStorableValue(value: unknown, maxBytes: number): boolean {
  if (nestsDeeper(value, maxRequestValueLevels)) return false;
  const json = JSON.stringify(value);
  // Both characters can only stand in JSON escaped; an escaped backslash before them makes them harmless.
  return Buffer.byteLength(json) <= maxBytes && !/(?<!\\)(?:\\\\)*\\u(?:0000|d[89a-f])/.test(json);
}

/** Looks no deeper than it must: what recurses without a limit can be made to fail. */
export function nestsDeeper(value: unknown, levels: number): boolean {
  if (typeof value !== 'object' || value === null) return false;
  return levels === 0 || Object.values(value).some((inner) => nestsDeeper(inner, levels - 1));
}

function readable(text: string): string {
  return stripVTControlCharacters(text)
    .replace(/[^\P{Control}\n\t]/gu, '')
    .replace(/\p{Surrogate}/gu, '\uFFFD');
}
