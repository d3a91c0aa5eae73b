/** Control characters but tab and newline, and those that reorder text. */
const UNSAFE = /[\u0000-\u0008\u000b-\u001f\u007f-\u009f\u202a-\u202e\u2066-\u2069]/g;

/** Text of an agent, made harmless: as it is, it could move the cursor, hide a question or fake an answer. */
export function printable(text: string): string {
  return text.replace(UNSAFE, '');
}

/** As one line of at most `length` characters. */
export function oneLine(text: string, length = 200): string {
  const line = printable(text).replace(/\s+/g, ' ').trim();
  return line.length > length ? `${line.slice(0, length - 1)}…` : line;
}
