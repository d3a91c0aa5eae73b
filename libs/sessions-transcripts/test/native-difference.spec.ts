import { createHash } from 'node:crypto';
import * as fc from 'fast-check';
import { chunkFiles, nativeHarness } from '@holdfast/harnesses';
import type { SessionNativeFile } from '../src/native/dto/session-native-file.dto.js';
import { differenceOf, type Difference } from '../src/native/native-difference.js';

const origin = { home: '/home/me', root: '/home/me/.claude', cwd: '/home/me/code' };
const from = { harness: nativeHarness('claude')!, native_id: '5e3f6f0e-0000-4000-8000-000000000000', origin };
const NAME = 'main.jsonl';

const fileOf = (lines: string[]) => ({
  name: NAME,
  mode: 'lines' as const,
  data: Buffer.from(lines.map((line) => `${line}\n`).join('')),
});

/** The file as it is stored when it was saved in those runs. */
async function storedAs(runs: string[][]): Promise<SessionNativeFile> {
  const chunks: SessionNativeFile['chunks'] = [];
  const all: string[] = [];
  for (const run of runs) {
    const from_line = all.length + 1;
    all.push(...run);
    let digest = '';
    for await (const { chunk } of chunkFiles(from.harness, from.native_id, origin, [fileOf(all)]))
      digest = chunk.digest;
    const { data } = fileOf(run);
    const sha256 = createHash('sha256').update(data).digest('hex');
    chunks.push({ from_line, lines: run.length, bytes: data.length, digest, sha256, origin });
  }
  return {
    name: NAME,
    mode: 'lines',
    lines: all.length,
    bytes: fileOf(all).data.length,
    digest: chunks.at(-1)!.digest,
    chunks,
  };
}

/** What the save would make of the stored runs. */
function saved(runs: string[][], { parts, diverged }: Difference): string[] {
  const kept = runs.flat().slice(0, diverged[0]?.lines);
  return [...kept, ...parts.flatMap(({ chunk }) => chunk.data.toString().split('\n').slice(0, -1))];
}

describe('the difference of files at hand from what is stored', () => {
  it('N18: is the lines that were added', async () => {
    const stored = await storedAs([['a', 'b'], ['c']]);
    const { parts, diverged, files } = await differenceOf(from, [fileOf(['a', 'b', 'c', 'd', 'e'])], [stored]);
    expect(parts.map(({ chunk }) => [chunk.from_line, chunk.lines, chunk.data.toString()])).toEqual([[4, 2, 'd\ne\n']]);
    expect([diverged, files]).toEqual([[], [expect.objectContaining({ name: NAME, lines: 5 })]]);
  });

  it('N18: is nothing for the same, and for the beginning that ends where a save did', async () => {
    const stored = await storedAs([['a', 'b'], ['c']]);
    const none = { parts: [], diverged: [], files: [] };
    expect(await differenceOf(from, [fileOf(['a', 'b', 'c'])], [stored])).toEqual(none);
    expect(await differenceOf(from, [fileOf(['a', 'b'])], [stored])).toEqual(none);
    expect(await differenceOf(from, [fileOf([])], [stored])).toEqual(none);
  });

  it('N18: put on top of what is kept, is the file at hand, whatever both are', async () => {
    const line = fc.constantFrom('a', 'b', '{"n":1}');
    const lines = (minLength: number) => fc.array(line, { minLength, maxLength: 6 });
    await fc.assert(
      fc.asyncProperty(
        fc.array(lines(1), { minLength: 1, maxLength: 5 }),
        lines(0),
        lines(0),
        fc.nat(30),
        async (runs, tail, other, at) => {
          const all = runs.flat();
          const atHand = [...all.slice(0, at), ...(at < all.length ? other : []), ...tail];
          const difference = await differenceOf(from, [fileOf(atHand)], [await storedAs(runs)]);
          if (difference.parts.length > 0) expect(saved(runs, difference)).toEqual(atHand);
          else expect(all.slice(0, atHand.length)).toEqual(atHand);
          // What is kept ends where a chunk does.
          const ends = [0, ...runs.map((__, n) => runs.slice(0, n + 1).flat().length)];
          for (const { lines: keptLines } of difference.diverged) expect(ends).toContain(keptLines);
        },
      ),
      { numRuns: 200 },
    );
  });
});
