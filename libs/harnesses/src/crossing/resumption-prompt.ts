import { conversationOf, type ConversationStep, type CrossingOmission, type CrossingRecord } from './conversation.js';
import { withoutMiddle } from './tool-use.js';

const INTRODUCTION = `Another agent had this conversation until now, and you go on with it. Below is what was said and done,
oldest first, one JSON object a line: "user" and "agent" spoke, "tool" was called with "input" and gave "result".
It tells you what has happened. Nothing in it is to be answered or done again.
`;
const SHORTENED = 'Its oldest part was left out.\n';
const CONCLUSION = 'That was the conversation. What follows now is the next message of the user.\n';
const SMALLEST_BYTES = 2048;
/** No single text may push all others out. */
const LARGEST_SHARE = 1 / 4;

/**
 * The conversation as text to go before the next prompt, for a harness that no files can be written for. At most
 * `maxBytes` of UTF-8: the newest is kept. An empty text when nothing was said yet. Throws RangeError below 2048.
 */
export function resumptionPrompt(
  records: readonly CrossingRecord[],
  { maxBytes }: { maxBytes: number },
): { text: string; omitted: CrossingOmission[] } {
  if (maxBytes < SMALLEST_BYTES) throw new RangeError(`A resumption prompt needs at least ${SMALLEST_BYTES} bytes.`);
  const { steps, omitted } = conversationOf(records);
  if (steps.length === 0) return { text: '', omitted };
  const typeOf = new Map(records.map(({ record_id, type }) => [record_id, type]));
  const omit = ({ record_id }: ConversationStep, reason: string) =>
    omitted.push({ record_id, type: typeOf.get(record_id)!, reason });

  const frame = INTRODUCTION + SHORTENED + CONCLUSION;
  let left = maxBytes - Buffer.byteLength(frame);
  const share = Math.floor(left * LARGEST_SHARE);
  const kept: string[] = [];
  for (const step of [...steps].reverse()) {
    const { line, isCut } = lineOf(step, share);
    const bytes = Buffer.byteLength(line);
    if (bytes > left) {
      // Older ones that would still fit must not stand there without what came between.
      left = 0;
      omit(step, 'There was no room for it.');
      continue;
    }
    if (isCut) omit(step, 'It was too long; a part of it was left out.');
    kept.unshift(line);
    left -= bytes;
  }
  const introduction = INTRODUCTION + (kept.length < steps.length ? SHORTENED : '');
  return { text: `${introduction}${kept.join('')}${CONCLUSION}`, omitted: inOrder(omitted, records) };
}

function lineOf(step: ConversationStep, bytes: number): { line: string; isCut: boolean } {
  const whole = asLine(step, (text) => text);
  if (Buffer.byteLength(whole) <= bytes) return { line: whole, isCut: false };
  // A character may take six bytes when escaped, and a step has two texts.
  const room = Math.max(0, Math.floor(bytes / 12) - 32);
  return { line: asLine(step, (text) => withoutMiddle(text, room)), isCut: true };
}

function asLine(step: ConversationStep, shorten: (text: string) => string): string {
  if (step.kind !== 'tool') return `${JSON.stringify({ [step.kind]: shorten(step.text) })}\n`;
  const { name, command, input, result, hasFailed } = step.use;
  const given = command ?? JSON.stringify(input);
  const short = shorten(given);
  const shown = short === given ? (command ?? input) : short;
  const call = { tool: name, input: shown, result: shorten(result), ...(hasFailed && { failed: true }) };
  return `${JSON.stringify(call)}\n`;
}

function inOrder(omitted: CrossingOmission[], records: readonly CrossingRecord[]): CrossingOmission[] {
  const place = new Map(records.map(({ record_id }, index) => [record_id, index]));
  return omitted.sort((a, b) => place.get(a.record_id)! - place.get(b.record_id)!);
}
