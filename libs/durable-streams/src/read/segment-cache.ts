import { Injectable } from '@nestjs/common';
import { DurableStreamsConfig } from '../durable-streams.config.js';
import type { LogSegment } from '../log.repository.js';
import type { LogBlock } from './log-block.js';

/** From this size on a block that grows with its log's tail is left as it is, and another one begun. */
const FULL_BLOCK_BYTES = 256 * 1024;
const FIRST_CAPACITY_BYTES = 4 * 1024;

/** What a block costs besides its bytes. */
const BLOCK_OVERHEAD_BYTES = 256;

/**
 * Messages that were read or written lately, of all logs together within one budget of bytes; those not used for longest
 * go first. Blocks never change and ids of logs are never used again, so nothing in it can be out of date.
 */
@Injectable()
export class SegmentCache {
  /** By log, in the order of their positions. */
  private readonly logs = new Map<number, CachedBlock[]>();
  /** In the order of their last use. */
  private readonly used = new Set<CachedBlock>();
  private bytes = 0;

  constructor(private readonly config: DurableStreamsConfig) {}

  /** The block that holds the message after `position`, if any. */
  find(log_id: number, position: number): LogBlock | undefined {
    const blocks = this.logs.get(log_id);
    const cached = blocks?.[lastStartingBy(blocks, position)];
    if (!cached || cached.block.upto <= position) return undefined;
    this.used.delete(cached);
    this.used.add(cached);
    return cached.block;
  }

  /** Keeps what was read. */
  add(log_id: number, block: LogBlock): void {
    this.insert(log_id, new CachedBlock(log_id, block));
  }

  /** Keeps what was written where it continues a log whose tail is here; a log that nobody reads costs nothing. */
  extend(log_id: number, json: boolean, segment: LogSegment): void {
    const last = this.logs.get(log_id)?.at(-1);
    if (last?.block.upto !== segment.start) return;
    if (last.size >= FULL_BLOCK_BYTES) {
      this.insert(log_id, new CachedBlock(log_id, segment));
      return;
    }
    const before = last.size;
    last.append(json, segment);
    this.bytes += last.size - before;
    this.evict();
  }

  private insert(log_id: number, cached: CachedBlock): void {
    const blocks = this.logs.get(log_id) ?? [];
    const at = lastStartingBy(blocks, cached.block.start);
    if (blocks[at]?.block.start === cached.block.start) this.remove(blocks[at]!);
    const present = this.logs.get(log_id) ?? [];
    present.splice(lastStartingBy(present, cached.block.start) + 1, 0, cached);
    this.logs.set(log_id, present);
    this.used.add(cached);
    this.bytes += cached.size;
    this.evict();
  }

  private evict(): void {
    for (const oldest of this.used) {
      if (this.bytes <= this.config.cacheBytes) return;
      this.remove(oldest);
    }
  }

  private remove(cached: CachedBlock): void {
    const blocks = this.logs.get(cached.log_id)!;
    blocks.splice(blocks.indexOf(cached), 1);
    if (blocks.length === 0) this.logs.delete(cached.log_id);
    this.used.delete(cached);
    this.bytes -= cached.size;
  }
}

/** The index of the last block that starts at or before `position`; -1 when there is none. */
function lastStartingBy(blocks: CachedBlock[], position: number): number {
  let low = 0;
  let high = blocks.length;
  while (low < high) {
    const middle = (low + high) >> 1;
    if (blocks[middle]!.block.start <= position) low = middle + 1;
    else high = middle;
  }
  return low - 1;
}

const COMMA = 0x2c;

/** A block and the room to let it grow; what was handed out of it is never overwritten. */
class CachedBlock {
  private readonly body: GrowingBuffer;
  private readonly lengths: GrowingBuffer;

  constructor(
    readonly log_id: number,
    public block: LogBlock,
  ) {
    this.body = new GrowingBuffer(block.body);
    this.lengths = new GrowingBuffer(block.lengths);
  }

  get size(): number {
    return this.body.capacity + this.lengths.capacity + BLOCK_OVERHEAD_BYTES;
  }

  append(json: boolean, { upto, body, lengths }: LogSegment): void {
    if (json) this.body.appendByte(COMMA);
    this.block = {
      start: this.block.start,
      upto,
      body: this.body.append(body),
      lengths: this.lengths.append(lengths),
    };
  }
}

class GrowingBuffer {
  private used: number;

  constructor(private buffer: Buffer) {
    this.used = buffer.length;
  }

  get capacity(): number {
    return this.buffer.length;
  }

  append(bytes: Buffer): Buffer {
    this.reserve(bytes.length);
    bytes.copy(this.buffer, this.used);
    this.used += bytes.length;
    return this.buffer.subarray(0, this.used);
  }

  appendByte(byte: number): void {
    this.reserve(1);
    this.buffer[this.used++] = byte;
  }

  private reserve(more: number): void {
    if (this.used + more <= this.buffer.length) return;
    const larger = Buffer.allocUnsafeSlow(Math.max(FIRST_CAPACITY_BYTES, this.used + more, this.buffer.length * 2));
    this.buffer.copy(larger, 0, 0, this.used);
    this.buffer = larger;
  }
}
