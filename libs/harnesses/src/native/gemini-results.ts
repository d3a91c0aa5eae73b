import { jsonItems, jsonSpan, jsonString, spliced, type Span } from './json-span.js';

const RESPONSE = Buffer.from('"functionResponse"');
const NOTE = Buffer.from('"info"');

/**
 * Gemini CLI keeps a tool's result twice: with its call, and as a message of the user. A resume sends both to the model,
 * and appends the conversation with one more copy. So the message becomes a note, which the program passes over; its
 * bytes stay otherwise. Answers with the same buffer where nothing is to change.
 */
export function withoutDoubledResults(line: Buffer): Buffer {
  if (!line.includes(RESPONSE)) return line;
  const itself = doubledType(line);
  if (itself) return spliced(line, itself, NOTE);

  const types = jsonItems(line, ['$set', 'messages']).flatMap(({ start, end }) => {
    const type = doubledType(line.subarray(start, end));
    return type ? [{ start: start + type.start, end: start + type.end }] : [];
  });
  return types.reduceRight((changed, type) => spliced(changed, type, NOTE), line);
}

/** Where the type of a message stands that holds nothing but results. */
function doubledType(message: Buffer): Span | undefined {
  if (jsonString(message, ['type']) !== 'user') return undefined;
  const content = jsonSpan(message, ['content']);
  if (!content || !holdsOnlyResults(message.toString('utf8', content.start, content.end))) return undefined;
  return jsonSpan(message, ['type']);
}

function holdsOnlyResults(content: string): boolean {
  try {
    const parts = JSON.parse(content) as unknown;
    return (
      Array.isArray(parts) && parts.length > 0 && parts.every((part) => Object.hasOwn(Object(part), 'functionResponse'))
    );
  } catch {
    return false;
  }
}
