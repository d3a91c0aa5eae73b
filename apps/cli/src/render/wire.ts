/** Reads what agents sent as they sent it: nothing in it can be relied on. */
export type Json = Record<string, unknown>;

export const record = (value: unknown): Json =>
  typeof value === 'object' && value !== null && !Array.isArray(value) ? (value as Json) : {};

export const list = (value: unknown): Json[] => (Array.isArray(value) ? value.map(record) : []);

export const string = (value: unknown): string => (typeof value === 'string' ? value : '');

/** The text of an ACP content block; for others, what they are. */
export function contentText(content: unknown): string {
  const block = record(content);
  if (block['type'] === 'text') return string(block['text']);
  if (block['type'] === 'resource_link') return `[${string(block['uri'])}]`;
  return block['type'] ? `[${string(block['type'])}]` : '';
}
