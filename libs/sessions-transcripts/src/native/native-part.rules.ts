import type { FileMode } from './native-names.rules.js';

/** The stretch of a file that a part or a chunk is, and what the file is up to its end. */
export interface Stretch {
  from_line: number;
  lines: number;
  bytes: number;
  digest: string;
}

/** What a file is. */
export interface FileState {
  name: string;
  mode: FileMode;
  lines: number;
  bytes: number;
  digest: string;
}

const NEWLINE = 0x0a;

/** How many lines end in a body. */
export function countLines(body: Buffer): number {
  let lines = 0;
  for (let at = body.indexOf(NEWLINE); at >= 0; at = body.indexOf(NEWLINE, at + 1)) lines += 1;
  return lines;
}

/** Whether every line of a body is a whole one. */
export function endsWithLine(body: Buffer): boolean {
  return body[body.length - 1] === NEWLINE;
}

/** The file that is left of one when its parts are put after what is kept of it, or why they do not fit. */
export function withParts(
  base: FileState | undefined,
  { name, mode, parts }: { name: string; mode: FileMode; parts: Stretch[] },
): FileState | { reason: string } {
  if (base && base.mode !== mode) return { reason: `It is a file of mode "${base.mode}".` };
  const grown = mode === 'lines' ? base : undefined;
  let lines = grown?.lines ?? 0;
  let bytes = grown?.bytes ?? 0;
  let digest = grown?.digest ?? '';
  for (const part of parts) {
    if (part.from_line !== lines + 1)
      return { reason: `Line ${lines + 1} is missing: a part begins at ${part.from_line}.` };
    lines += part.lines;
    bytes += part.bytes;
    digest = part.digest;
  }
  return { name, mode, lines, bytes, digest };
}

/** Whether two sets of files are the same by what is said of each. */
export function sameFiles(some: FileState[], others: FileState[]): boolean {
  const said = (files: FileState[]) =>
    files.map(({ name, mode, lines, digest }) => JSON.stringify([name, mode, lines, digest])).sort();
  return some.length === others.length && said(some).join('\n') === said(others).join('\n');
}

/** Rows by the file that they are of, in the order in which they come. */
export function byFile<Row extends { name: string }>(rows: Row[]): [name: string, rows: Row[]][] {
  const files = new Map<string, Row[]>();
  for (const row of rows) {
    const file = files.get(row.name);
    if (file) file.push(row);
    else files.set(row.name, [row]);
  }
  return [...files];
}
