import { isJson, type LogHead } from '../log-head.js';
import { offsetAt } from '../offsets/log-offset.js';
import type { LogPage } from '../read/log-reader.js';

/** Bytes to be written to many viewers, as they are and as one chunk of HTTP/1.1's chunked coding. */
export class SseFrame {
  private chunk?: Buffer;

  constructor(readonly bytes: Buffer) {}

  get chunked(): Buffer {
    return (this.chunk ??= Buffer.concat([
      Buffer.from(`${this.bytes.length.toString(16)}\r\n`),
      this.bytes,
      Buffer.from('\r\n'),
    ]));
  }
}

export const KEEP_ALIVE = new SseFrame(Buffer.from(': keep-alive\n\n'));
/** Said to a viewer that took nothing for too long, in case it reads on. */
export const TOO_SLOW = new SseFrame(Buffer.from(': dropped: too slow. Go on from the last offset.\n\n'));

/** How the messages of a log become `data` lines (Durable Streams, "Read Stream - Live (SSE)"). */
type SseEncoding = 'json' | 'text' | 'base64';

export function sseEncodingOf(log: { content_type: string }): SseEncoding {
  if (isJson(log)) return 'json';
  return /^text\//i.test(log.content_type) ? 'text' : 'base64';
}

/** What the control event says besides the offset. */
export interface FrameState {
  cursor: string;
  closed: boolean;
}

/** One data event with its control event, in one piece: a viewer never holds data whose offset it does not know. */
export function sseFrame(head: LogHead, page: LogPage, { cursor, closed }: FrameState): SseFrame {
  const ends = page.upToDate && closed;
  const control = JSON.stringify({
    streamNextOffset: offsetAt(head, page.next),
    ...(!ends && { streamCursor: cursor }),
    ...(page.upToDate && { upToDate: true }),
    ...(ends && { streamClosed: true }),
  });
  return new SseFrame(
    Buffer.concat([...dataEvent(sseEncodingOf(head), page.parts), Buffer.from(`event: control\ndata:${control}\n\n`)]),
  );
}

const JSON_OPEN = Buffer.from('event: data\ndata:[');
const JSON_CLOSE = Buffer.from(']\n\n');

function dataEvent(encoding: SseEncoding, parts: Buffer[]): Buffer[] {
  if (parts.length === 0) return [];
  switch (encoding) {
    case 'json':
      return [JSON_OPEN, ...parts, JSON_CLOSE];
    case 'base64':
      return [Buffer.from(`event: data\ndata:${Buffer.concat(parts).toString('base64')}\n\n`)];
    case 'text': {
      const lines = Buffer.concat(parts)
        .toString('utf8')
        .split(/\r\n|\r|\n/);
      return [Buffer.from(`event: data\n${lines.map(dataLine).join('')}\n`)];
    }
  }
}

/** One space after the colon is not part of the line (WHATWG HTML, "Server-sent events"). */
const dataLine = (line: string) => (line.startsWith(' ') ? `data: ${line}\n` : `data:${line}\n`);
