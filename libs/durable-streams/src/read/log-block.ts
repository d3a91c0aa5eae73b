import type { LogSegment } from '../log.repository.js';

/** A run of messages in memory. Never changed: what was read from it stays true. */
export type LogBlock = LogSegment;

/** The bytes of the messages between two positions within the block, joined as they are sent. */
export function sliceBlock(block: LogBlock, json: boolean, from: number, end: number): Buffer {
  const { start, upto, body } = block;
  if (from <= start && end >= upto) return body;
  const skipped = Math.max(0, from - start);
  const taken = Math.min(upto, end) - start;
  return json ? sliceMessages(block, skipped, taken) : body.subarray(skipped, taken);
}

function sliceMessages({ lengths, body }: LogBlock, skipped: number, taken: number): Buffer {
  let at = 0;
  for (let index = 0; index < skipped; index++) at += lengths.readInt32BE(index * 4) + 1;
  let end = at;
  for (let index = skipped; index < taken; index++) end += lengths.readInt32BE(index * 4) + 1;
  return body.subarray(at, end - 1);
}
