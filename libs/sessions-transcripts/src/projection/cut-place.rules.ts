/** How far from where a text is cut a better place is looked for, in UTF-16 units. */
const REACH = 16 * 1024;

/**
 * Where to end the first part of a text that goes on: after the last line break near its end, else after the last
 * space, else at its end. Never at its beginning. What stands on one line, a secret above all, stays in one part.
 */
export function cutPlace(text: string): number {
  const from = Math.max(0, text.length - REACH);
  const end = text.slice(from);
  const lineBreak = end.lastIndexOf('\n');
  const last = lineBreak === -1 ? end.lastIndexOf(' ') : lineBreak;
  return last === -1 ? text.length : from + last + 1;
}

/** Where to begin the last part of a text that is too long: after the first line break near `start`, else there. */
export function beginPlace(text: string, start: number): number {
  const lineBreak = text.slice(start, start + REACH).indexOf('\n');
  return lineBreak === -1 ? start : start + lineBreak + 1;
}
