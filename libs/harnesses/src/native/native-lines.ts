import { TranscriptTooLarge } from './native-errors.js';
import { LINE_BYTES } from './native-mark.js';

const NEWLINE = 0x0a;
const RETURN = 0x0d;

/**
 * Lines without their "\n", as many at once as a buffer held. What follows the last "\n" is a line too, unless it is
 * empty. Throws TranscriptTooLarge for a line of more than LINE_BYTES.
 */
export async function* lineBatches(source: AsyncIterable<Buffer>): AsyncGenerator<Buffer[]> {
  let begun: Buffer[] = [];
  let begunBytes = 0;
  for await (const block of source) {
    const lines: Buffer[] = [];
    let from = 0;
    for (let at = block.indexOf(NEWLINE); at >= 0; at = block.indexOf(NEWLINE, from)) {
      const end = block.subarray(from, at);
      checkLength(begunBytes + end.length);
      lines.push(begunBytes ? Buffer.concat([...begun, end]) : end);
      begun = [];
      begunBytes = 0;
      from = at + 1;
    }
    if (from < block.length) {
      begun.push(block.subarray(from));
      begunBytes += block.length - from;
      checkLength(begunBytes);
    }
    if (lines.length) yield lines;
  }
  if (begunBytes) yield [Buffer.concat(begun)];
}

/** The lines of content that is at hand, without their "\n". */
export function linesOf(content: Buffer): Buffer[] {
  const lines: Buffer[] = [];
  let from = 0;
  for (let at = content.indexOf(NEWLINE); at >= 0; at = content.indexOf(NEWLINE, from)) {
    lines.push(content.subarray(from, at));
    from = at + 1;
  }
  if (from < content.length) lines.push(content.subarray(from));
  return lines;
}

export function withoutReturn(line: Buffer): Buffer {
  return line[line.length - 1] === RETURN ? line.subarray(0, -1) : line;
}

/** Changes a line's content and leaves its line end as it is. */
export function changedLine(line: Buffer, change: (content: Buffer) => Buffer): Buffer {
  const content = withoutReturn(line);
  const changed = change(content);
  if (changed === content) return line;
  return content === line ? changed : Buffer.concat([changed, line.subarray(content.length)]);
}

function checkLength(bytes: number): void {
  if (bytes <= LINE_BYTES) return;
  throw new TranscriptTooLarge(`A line of the transcript has more than ${LINE_BYTES / 1024 / 1024} MiB.`);
}
