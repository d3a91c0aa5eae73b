import { CanonicalDigest } from './canonical-digest.js';
import { lineChunks, wholeChunks } from './native-chunks.js';
import type { NativeHarness, NativeMode, NativeOrigin } from './native-harness.js';
import { linesOf } from './native-lines.js';
import type { NativeChunk } from './native-mark.js';

/** Content that is at hand (an opened envelope, a converted conversation) as the chunks that a save takes. */
export async function* chunkFiles(
  harness: NativeHarness,
  nativeId: string,
  origin: NativeOrigin,
  files: Iterable<{ name: string; mode: NativeMode; data: Buffer }>,
): AsyncGenerator<{ name: string; mode: NativeMode; chunk: NativeChunk }> {
  for (const { name, mode, data } of files) {
    const canonical = harness.canonical(nativeId, name, origin);
    const position = { lines: 0, digest: CanonicalDigest.start(canonical) };
    const chunks =
      mode === 'lines' ? lineChunks([linesOf(data)], position) : wholeChunks([data], data.length, canonical);
    for await (const chunk of chunks) yield { name, mode, chunk };
  }
}
