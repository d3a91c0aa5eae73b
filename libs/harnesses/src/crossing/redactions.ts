import type { Fields } from './text-blocks.js';

/** What stands in a record where a secret was taken out. */
const PLACEHOLDER = /\[redacted:([a-z0-9][a-z0-9_-]{0,39})\]/g;

/** The names of the rules by which something was taken out of a record's content, each once. */
export function redactionsIn(content: Fields): string[] {
  const names = Array.from(JSON.stringify(content).matchAll(PLACEHOLDER), ([, name]) => name!);
  return [...new Set(names)].sort();
}
