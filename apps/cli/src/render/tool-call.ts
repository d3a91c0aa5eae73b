import { endLine, line, type Page, type Printed } from './page.js';
import { oneLine } from './printable.js';
import type { Style } from './style.js';
import { contentText, list, record, string, type Json } from './wire.js';

/** The titles of the tool calls that were shown and have not ended, by id. */
export type ToolCalls = Readonly<Record<string, string>>;

/** Shows a `tool_call` or `tool_call_update`: a line when it begins, and how it ended, on the same line if that is still open. */
export function showToolCall(page: Page, calls: ToolCalls, update: Json, style: Style): Printed & { calls: ToolCalls } {
  const id = string(update['toolCallId']);
  const known = calls[id];
  const title = oneLine(string(update['title'])) || known || 'tool call';
  const status = string(update['status']);
  if (status === 'completed' || status === 'failed') {
    const { [id]: _ended, ...rest } = calls;
    const mark = status === 'completed' ? style.good('✓') : style.bad('✗');
    const reason = status === 'failed' ? failureOf(update) : '';
    const printed = page.open === id ? endLine(` ${mark}${reason}`) : line(page, `${mark} ${title}${reason}`);
    return { ...printed, calls: rest };
  }
  const running = { ...calls, [id]: title };
  if (known) return { page, text: '', calls: running };
  return { ...line(page, `→ ${title}`, { open: id }), calls: running };
}

function failureOf(update: Json): string {
  const texts = list(update['content']).map((content) => contentText(content['content']));
  const said = texts.filter(Boolean).at(-1) ?? string(record(update['rawOutput'])['error']);
  return said ? `: ${oneLine(said)}` : '';
}
