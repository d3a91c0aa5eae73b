import { beginPlace } from './cut-place.rules.js';
import { isJsonObject, type JsonObject } from './session-event.rules.js';

/** How much of what a terminal printed a record keeps, in UTF-16 units: its end, as an ACP terminal does. */
export const MAX_TERMINAL_OUTPUT = 256 * 1024;

/** Clients append each of these to what they have (a convention of Zed's, which Codex's adapter follows). */
const OUTPUTS = ['terminal_output', 'terminal_output_delta'];

/** The `_meta` of a tool call after an update with a `_meta` of its own: replaced, but for what a terminal printed. */
export function takeMeta(known: unknown, news: unknown): unknown {
  if (!isJsonObject(known) || !isJsonObject(news)) return news;
  const outputs = OUTPUTS.filter((name) => name in known).map((name) => [name, appended(known[name], news[name])]);
  return { ...news, ...Object.fromEntries(outputs) };
}

function appended(known: unknown, news: unknown): unknown {
  if (!isOutput(known)) return news ?? known;
  if (!isOutput(news)) return known;
  const data = known.data + news.data;
  if (data.length <= MAX_TERMINAL_OUTPUT) return { ...known, ...news, data };
  const begin = beginPlace(data, data.length - MAX_TERMINAL_OUTPUT);
  return { ...known, ...news, data: data.slice(begin), truncated: true };
}

function isOutput(value: unknown): value is JsonObject & { data: string } {
  return isJsonObject(value) && typeof value.data === 'string';
}
