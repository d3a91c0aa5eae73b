import { Injectable } from '@nestjs/common';
import { isDomainError, type DomainError } from '@holdfast/platform-errors';
import { StreamDeleted, StreamNotFound } from '../durable-streams.errors.js';
import { isJson, keyOf, type LogHead, type LogKey } from '../log-head.js';
import { LogRepository } from '../log.repository.js';
import { offsetAt, resolveOffset } from '../offsets/log-offset.js';
import { sliceBlock, type LogBlock } from './log-block.js';
import { SegmentCache } from './segment-cache.js';

/** About how many bytes of messages one page holds. What PostgreSQL is asked for at once is a block. */
const PAGE_BYTES = 4 * 1024 * 1024;
const BLOCK_BYTES = 1024 * 1024;

/** A log and where an offset is in it. */
export interface LogPlace {
  head: LogHead;
  position: number;
}

/** A run of messages, ready to be sent. */
export interface LogPage {
  from: number;
  next: number;
  /** To be sent one after the other: for JSON, `[` + parts + `]` is an array. */
  parts: Buffer[];
  /** Whether `next` is the tail. */
  upToDate: boolean;
}

const COMMA = Buffer.from(',');

/** Reads logs, from memory where it can. Nothing is parsed or serialised again on the way out. */
@Injectable()
export class LogReader {
  private readonly loading = new Map<string, Promise<LogBlock | undefined>>();

  constructor(
    private readonly repository: LogRepository,
    private readonly cache: SegmentCache,
  ) {}

  /** As it is now, whatever process wrote last. Errors: stream_not_found, stream_deleted. */
  async head(key: LogKey): Promise<LogHead> {
    return readable(key, await this.repository.head(key));
  }

  /**
   * The head and the position that an offset of the wire names. Counts as a use of a log that expires when idle. Errors
   * as `head` and `resolveOffset`.
   */
  async locate(key: LogKey, offset: string): Promise<LogPlace> {
    return this.use(await this.head(key), offset);
  }

  /** As `locate` for each, with one look at their heads; where that would throw stands the error. */
  async locateAll(wanted: { key: LogKey; offset: string }[]): Promise<(LogPlace | DomainError)[]> {
    const heads = await this.repository.heads(wanted.map(({ key }) => key));
    const byKey = new Map(heads.map((head) => [keyOf(head), head]));
    return Promise.all(
      wanted.map(async ({ key, offset }) => {
        try {
          return await this.use(readable(key, byKey.get(keyOf(key))), offset);
        } catch (error) {
          if (isDomainError(error)) return error;
          throw error;
        }
      }),
    );
  }

  private async use(head: LogHead, offset: string): Promise<LogPlace> {
    const position = resolveOffset(offset, head);
    if (head.ttl_seconds !== null) await this.repository.touch(head);
    return { head, position };
  }

  /** The messages from `position` on: what is in memory up to `maxBytes`, else about `blockBytes` from PostgreSQL. */
  async page(head: LogHead, position: number, maxBytes = PAGE_BYTES, blockBytes = BLOCK_BYTES): Promise<LogPage> {
    const parts: Buffer[] = [];
    let next = position;
    for (let bytes = 0; next < head.tail && bytes < maxBytes;) {
      const { log_id, end } = holderOf(head, next);
      const found = this.cache.find(log_id, next);
      const block =
        found ?? (bytes < blockBytes / 2 ? await this.load(head, log_id, next, end, blockBytes) : undefined);
      if (!block && bytes > 0) break;
      if (!block || block.start > next) return this.refuseMissing(head, next);
      const part = sliceBlock(block, isJson(head), next, end);
      if (isJson(head) && parts.length) parts.push(COMMA);
      parts.push(part);
      bytes += part.length;
      next = Math.min(block.upto, end);
    }
    return { from: position, next, parts, upToDate: next >= head.tail };
  }

  /** Trimmed or deleted since the head was read. Errors: stream_not_found, stream_deleted, offset_gone. */
  private async refuseMissing(head: LogHead, position: number): Promise<never> {
    const offset = offsetAt(head, position);
    resolveOffset(offset, await this.head(head));
    throw new Error(`log ${head.id} of project ${head.project_id} lacks its messages from ${offset} on`);
  }

  /** Many who want the same at the same time wait for one read. */
  private load(
    head: LogHead,
    log_id: number,
    position: number,
    end: number,
    blockBytes: number,
  ): Promise<LogBlock | undefined> {
    const key = `${log_id} ${position} ${end} ${blockBytes}`;
    const underWay = this.loading.get(key);
    if (underWay) return underWay;
    const log = { project_id: head.project_id, log_id, json: isJson(head) };
    const load = this.repository
      .read(log, position, end, blockBytes)
      .then((block) => {
        if (block) this.cache.add(log_id, block);
        return block;
      })
      .finally(() => this.loading.delete(key));
    this.loading.set(key, load);
    return load;
  }
}

function readable(key: LogKey, head: LogHead | undefined): LogHead {
  if (!head || head.state === 'expired') throw StreamNotFound({ path: key.path });
  if (head.state === 'deleted') throw StreamDeleted({ path: key.path });
  return head;
}

/** Which log holds the message after `position`, and up to where: a fork reads what is older from those before it. */
function holderOf(head: LogHead, position: number): { log_id: number; end: number } {
  if (position < head.fork_at) {
    for (let index = 0; index < head.lineage_ids.length; index++) {
      const end = head.lineage_ends[index]!;
      if (position < end) return { log_id: head.lineage_ids[index]!, end };
    }
  }
  return { log_id: head.id, end: head.tail };
}

/** The page's messages in one piece. */
export function pageBytes({ parts }: LogPage): Buffer {
  return parts.length === 1 ? parts[0]! : Buffer.concat(parts);
}
