import { Injectable } from '@nestjs/common';
import { StreamNotFound } from './log.errors.js';
import { resolveOffset } from './log-offset.js';
import { LogRepository, type LogHead, type LogKey, type LogSegment } from './log.repository.js';

/** About how many bytes of messages one page holds. */
export const PAGE_BYTES = 1024 * 1024;

/** A run of messages, ready to be sent: `[` + body + `]` is a JSON array. */
export interface LogPage {
  generation: number;
  from: number;
  next: number;
  body: Buffer;
  /** Whether `next` is the tail. */
  upToDate: boolean;
}

/** Reads logs. Nothing is parsed or serialised again on the way out. */
@Injectable()
export class LogReader {
  constructor(private readonly repository: LogRepository) {}

  /** Errors: stream_not_found. */
  async head(key: LogKey): Promise<LogHead> {
    const head = await this.repository.head(key);
    if (!head) throw StreamNotFound({ path: key.path });
    return head;
  }

  /** The head and the position that an offset of the wire names. Errors as `resolveOffset`. */
  async locate(key: LogKey, offset: string): Promise<{ head: LogHead; position: number }> {
    const head = await this.head(key);
    return { head, position: resolveOffset(offset, head) };
  }

  /** The messages from `position` on, at most about one page. */
  async page(head: LogHead, position: number): Promise<LogPage> {
    const segments = await this.repository.segmentsAfter(head, position, PAGE_BYTES);
    const bodies = segments.map((segment) => sliceFrom(segment, position));
    const comma = Buffer.from(',');
    const next = segments.at(-1)?.upto ?? position;
    return {
      generation: head.generation,
      from: position,
      next,
      body: Buffer.concat(bodies.flatMap((body, index) => (index ? [comma, body] : [body]))),
      upToDate: next >= head.tail,
    };
  }
}

/** The segment's messages from `position` on. */
function sliceFrom({ start, lengths, body }: LogSegment, position: number): Buffer {
  const skipped = Math.max(0, position - start);
  const bytes = lengths.slice(0, skipped).reduce((sum, length) => sum + length + 1, 0);
  return body.subarray(bytes);
}
