import { chunkFiles, type NativeChunk, type NativeHarness } from '@holdfast/harnesses';
import type { SessionNativeFile, SessionNativeFileState, SessionNativeOrigin } from './dto/session-native-file.dto.js';
import type { FileMode } from './native-names.rules.js';

/** A file that is at hand. One of lines ends with a line's end. */
export interface FileAtHand {
  name: string;
  mode: FileMode;
  data: Buffer;
}

/** Whose files they are and where they are from. */
export interface Provenance {
  harness: NativeHarness;
  native_id: string;
  origin: SessionNativeOrigin;
}

/** What files at hand have that is not stored. */
export interface Difference {
  parts: { name: string; mode: FileMode; chunk: NativeChunk }[];
  /** Files whose past is another one, and how much they have in common with what is stored; none where all go on. */
  diverged: { name: string; lines: number }[];
  /** What the files with parts are in the end. */
  files: SessionNativeFileState[];
}

/** Compares files at hand with what is stored of them. One that is a beginning of what is stored has nothing new. */
export async function differenceOf(
  from: Provenance,
  atHand: FileAtHand[],
  stored: SessionNativeFile[],
): Promise<Difference> {
  const difference: Difference = { parts: [], diverged: [], files: [] };
  for (const file of atHand) {
    const chunks = await chunksOf(from, file);
    const last = chunks.at(-1);
    const before = stored.find(({ name }) => name === file.name);
    if (!last || before?.digest === last.digest) continue;
    const common = before && file.mode === 'lines' ? await commonLines(from, file, before) : 0;
    const lines = last.from_line + last.lines - 1;
    if (common === lines) continue;
    if (before && file.mode === 'lines' && common < before.lines)
      difference.diverged.push({ name: file.name, lines: common });
    const parts = file.mode === 'lines' ? after(chunks, common) : chunks;
    difference.parts.push(...parts.map((chunk) => ({ name: file.name, mode: file.mode, chunk })));
    difference.files.push({ name: file.name, mode: file.mode, lines, digest: last.digest });
  }
  return difference;
}

/** The most lines that both have in common where a stored chunk ends, or all lines at hand where those are stored. */
async function commonLines(from: Provenance, file: FileAtHand, { chunks }: SessionNativeFile): Promise<number> {
  const total = countOf(file.data);
  const ends = chunks.map((chunk) => ({ lines: chunk.from_line + chunk.lines - 1, digest: chunk.digest }));
  // What two files have in common is a beginning of both, so it is found by halves.
  let [low, high] = [0, ends.findLastIndex(({ lines }) => lines <= total) + 1];
  while (low < high) {
    const middle = Math.ceil((low + high) / 2);
    const { lines, digest } = ends[middle - 1]!;
    if ((await digestAt(from, file, lines)) === digest) low = middle;
    else high = middle - 1;
  }
  return ends[low - 1]?.lines ?? 0;
}

async function digestAt(from: Provenance, file: FileAtHand, lines: number): Promise<string | undefined> {
  const data = file.data.subarray(0, endOf(file.data, lines));
  return (await chunksOf(from, { ...file, data })).at(-1)?.digest;
}

async function chunksOf({ harness, native_id, origin }: Provenance, file: FileAtHand): Promise<NativeChunk[]> {
  const chunks: NativeChunk[] = [];
  for await (const { chunk } of chunkFiles(harness, native_id, origin, [file])) chunks.push(chunk);
  return chunks;
}

/** The chunks without their first lines; digests are of the file up to a chunk's end, so they stay. */
function after(chunks: NativeChunk[], lines: number): NativeChunk[] {
  return chunks.flatMap((chunk) => {
    const passed = Math.max(0, lines - chunk.from_line + 1);
    if (passed >= chunk.lines) return [];
    const data = chunk.data.subarray(endOf(chunk.data, passed));
    return [{ ...chunk, from_line: chunk.from_line + passed, lines: chunk.lines - passed, data }];
  });
}

/** Where that many lines end. */
function endOf(data: Buffer, lines: number): number {
  let end = 0;
  for (let line = 0; line < lines; line++) {
    const at = data.indexOf(0x0a, end);
    if (at < 0) return data.length;
    end = at + 1;
  }
  return end;
}

function countOf(data: Buffer): number {
  let lines = 0;
  for (let at = data.indexOf(0x0a); at >= 0; at = data.indexOf(0x0a, at + 1)) lines += 1;
  return lines;
}
