import { pointerStep, type RequestFault } from './http.errors.js';

/** Far more than any operation takes; what walks a value recursively gives up in the thousands. */
const MAX_DEPTH = 64;

/** U+0000 and halves of surrogate pairs: JSON can carry them, PostgreSQL's text and jsonb cannot. */
const UNSTORABLE = /[\0\p{Surrogate}]/u;

/** Whether a JSON text may hold such a character, which can only stand in it escaped. */
const SUSPECT = /\\u(?:0000|d[89a-f])/i;

/** Whether PostgreSQL can keep the text. */
export function isStorableText(text: string): boolean {
  return !UNSTORABLE.test(text);
}

/** The first part of `value`, parsed from `json`, that no operation could work with. */
export function findJsonFault(json: string, value: unknown): RequestFault | undefined {
  return search(value, SUSPECT.test(json), 0);
}

function search(value: unknown, isSuspect: boolean, depth: number): RequestFault | undefined {
  if (typeof value === 'string') return isSuspect && !isStorableText(value) ? unstorable() : undefined;
  if (typeof value !== 'object' || value === null) return undefined;
  if (depth === MAX_DEPTH) return { pointer: '', detail: `must not be nested deeper than ${MAX_DEPTH} levels` };
  for (const [key, child] of Object.entries(value)) {
    if (isSuspect && !isStorableText(key)) return unstorable();
    const fault = search(child, isSuspect, depth + 1);
    if (fault) return { ...fault, pointer: pointerStep(key) + fault.pointer };
  }
  return undefined;
}

function unstorable(): RequestFault {
  return { pointer: '', detail: 'must not contain U+0000 or an unpaired surrogate' };
}
