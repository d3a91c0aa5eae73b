import { createHash } from 'node:crypto';
import type { Readable } from 'node:stream';
import type { BlobFacts } from '../src/index.js';

export const factsOf = (content: Buffer): BlobFacts => ({
  bytes: content.length,
  sha256: createHash('sha256').update(content).digest('hex'),
});

export async function readAll(stream: Readable): Promise<Buffer> {
  const parts: Buffer[] = [];
  for await (const part of stream as AsyncIterable<Buffer>) parts.push(part);
  return Buffer.concat(parts);
}

/** The whole of what `get` gives or fails with, whether at once or at its end. */
export const contentOf = async (stream: Promise<Readable>): Promise<Buffer> => readAll(await stream);
