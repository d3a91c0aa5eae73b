import type { Stats } from 'node:fs';
import type { FileHandle } from 'node:fs/promises';
import { CanonicalDigest } from './canonical-digest.js';
import { lineChunks, wholeChunks, type LinesPosition } from './native-chunks.js';
import { blocks, fileBlocks, guardBefore, readAt, wholeLinesEnd, withFile, type FileIdentity } from './native-file.js';
import type { LocatedFile, LocateMemory, NativeHarness, NativeOrigin, NativePlace } from './native-harness.js';
import { lineBatches } from './native-lines.js';
import type { NativeChange, NativeChunk, NativeMark } from './native-mark.js';
import { checkInside } from './safe-path.js';

type Canonical = (content: Buffer) => Buffer;

/** A point between two lines of one file. */
interface FilePosition extends LinesPosition {
  offset: number;
  /** The line before it has no "\n" yet. */
  isUnterminated: boolean;
  /** The bytes before it. */
  guard: Buffer;
}

/** What is known of a file of lines that has all that is stored, or left it at `from`. */
interface KnownLines extends FileIdentity {
  standing: 'grown' | 'diverged';
  from: FilePosition;
  size: number;
  mtimeMs: number;
}

interface KnownWhole extends FileIdentity {
  size: number;
  mtimeMs: number;
  digest: string;
}

/**
 * Watches one conversation at one place against what is stored of it. Each look reads what is new since the last
 * accepted one; only a file that was replaced, has shrunk or was written anew is read from its beginning again. A file
 * that is changed in the middle, keeps its inode and grows is noticed only by the next NativeCapture.
 */
export class NativeCapture {
  private marks: Map<string, NativeMark>;
  private readonly memory: LocateMemory = new Map();
  private readonly lines = new Map<string, KnownLines>();
  private readonly wholes = new Map<string, KnownWhole>();
  /** Where the chunks of this look ended that were read to their end. */
  private readonly read = new Map<string, KnownLines>();

  constructor(
    private readonly harness: NativeHarness,
    private readonly place: NativePlace,
    private readonly nativeId: string,
    marks: NativeMark[],
  ) {
    this.marks = byName(marks);
  }

  /**
   * Empty when nothing is new. Throws NativeFileUnusable, UnsafeNativePath where a symbolic link leads out of the
   * harness's folder, and NativeFileChanged (look again).
   */
  async changes(): Promise<NativeChange[]> {
    this.read.clear();
    const files = await this.harness.locate(this.place, this.nativeId, this.memory);
    const origin = await this.harness.origin(this.place);
    const changes: NativeChange[] = [];
    const seen = new Set<string>();
    for (const file of files) {
      await checkInside(origin.root, file.path);
      const look = file.mode === 'lines' ? this.lookAtLines(file, origin) : this.lookAtWhole(file, origin);
      const { isThere, change } = await look;
      if (isThere) seen.add(file.name);
      if (change) changes.push(change);
    }
    for (const { name, mode, bytes } of this.marks.values()) {
      if (!seen.has(name) && bytes > 0) changes.push({ kind: 'behind', name, mode, lines: 0 });
    }
    return changes;
  }

  /** Tells what is stored now: the marks of all files of the version that was just saved. */
  accepted(marks: NativeMark[]): void {
    this.marks = byName(marks);
    for (const name of new Set([...this.lines.keys(), ...this.read.keys()])) {
      const stored = this.marks.get(name)?.digest;
      const now = [this.read.get(name), this.lines.get(name)].find((known) => known?.from.digest.hex() === stored);
      if (now) this.lines.set(name, { ...now, standing: 'grown' });
      else this.lines.delete(name);
    }
    this.read.clear();
  }

  private async lookAtLines(file: LocatedFile, origin: NativeOrigin): Promise<Look> {
    const canonical = this.harness.canonical(this.nativeId, file.name, origin);
    const look = await withFile(file.path, async (handle, stats): Promise<Look> => {
      const known =
        (await continued(this.lines.get(file.name), file.path, handle, stats)) ??
        (await compared(this.marks.get(file.name), canonical, file.path, handle, stats));
      if ('behind' in known) {
        this.lines.delete(file.name);
        return { isThere: true, change: { kind: 'behind', name: file.name, mode: 'lines', lines: known.behind } };
      }
      this.lines.set(file.name, known);
      const { end, isUnterminated } = await wholeLinesEnd(handle, known.from.offset, stats.size);
      if (end === known.from.offset) return { isThere: true };
      return { isThere: true, change: this.newLines(file.name, known, end, isUnterminated) };
    });
    if (!look) this.lines.delete(file.name);
    return look ?? { isThere: false };
  }

  private newLines(name: string, known: KnownLines, end: number, isUnterminated: boolean): NativeChange {
    const { read } = this;
    async function* chunks(): AsyncGenerator<NativeChunk> {
      const position = { lines: known.from.lines, digest: known.from.digest.copy() };
      let guard: Buffer | undefined;
      const source = fileBlocks(known, { start: known.from.offset, end }, async (handle) => {
        guard = await guardBefore(handle, end);
        return known.from.guard.equals(await guardBefore(handle, known.from.offset));
      });
      yield* lineChunks(lineBatches(source), position);
      read.set(name, { ...known, from: { ...position, offset: end, isUnterminated, guard: guard! } });
    }
    const fresh = { name, mode: 'lines' as const, chunks: { [Symbol.asyncIterator]: chunks } };
    if (known.standing === 'diverged') return { kind: 'diverged', ...fresh, keep_lines: known.from.lines };
    return { kind: 'append', ...fresh, from_line: known.from.lines + 1 };
  }

  private async lookAtWhole(file: LocatedFile, origin: NativeOrigin): Promise<Look> {
    const canonical = this.harness.canonical(this.nativeId, file.name, origin);
    const known = await withFile(file.path, async (handle, stats): Promise<KnownWhole> => {
      const before = this.wholes.get(file.name);
      const isSame = before && isSameFile(before, file.path, stats);
      if (isSame && before.size === stats.size && before.mtimeMs === stats.mtimeMs) return before;
      let digest = '';
      for await (const chunk of wholeChunks(blocks(handle, 0, stats.size), stats.size, canonical))
        digest = chunk.digest;
      return { ...identity(file.path, stats), size: stats.size, mtimeMs: stats.mtimeMs, digest };
    });
    // An empty file is one that is just being written.
    if (!known || known.size === 0) return { isThere: false };
    this.wholes.set(file.name, known);
    if (this.marks.get(file.name)?.digest === known.digest) return { isThere: true };

    async function* chunks(): AsyncGenerator<NativeChunk> {
      const source = fileBlocks(known!, { start: 0, end: known!.size }, async (handle) => {
        const { size, mtimeMs } = await handle.stat();
        return size === known!.size && mtimeMs === known!.mtimeMs;
      });
      yield* wholeChunks(source, known!.size, canonical);
    }
    const fresh = { name: file.name, mode: 'whole' as const, chunks: { [Symbol.asyncIterator]: chunks } };
    return { isThere: true, change: { kind: 'replace', ...fresh } };
  }
}

interface Look {
  isThere: boolean;
  change?: NativeChange;
}

/** The file as it is known, when it has only grown since. */
async function continued(
  known: KnownLines | undefined,
  path: string,
  handle: FileHandle,
  { size, mtimeMs, dev, ino }: Stats,
): Promise<KnownLines | undefined> {
  if (!known || !isSameFile(known, path, { dev, ino }) || size < known.from.offset) return undefined;
  const isUntouched = size === known.size && mtimeMs === known.mtimeMs;
  if (size === known.size && !isUntouched) return undefined;
  if (!isUntouched && !known.from.guard.equals(await guardBefore(handle, known.from.offset))) return undefined;
  const from = await afterLineEnd(known.from, handle, size);
  return from && { ...known, from, size, mtimeMs };
}

/** A last line that had no "\n" when it was read may only have got one. */
async function afterLineEnd(from: FilePosition, handle: FileHandle, size: number): Promise<FilePosition | undefined> {
  if (!from.isUnterminated || size === from.offset) return from;
  const next = (await readAt(handle, from.offset, 2)).toString('latin1');
  const lineEnd = next.startsWith('\n') ? 1 : next === '\r\n' ? 2 : 0;
  if (!lineEnd) return next === '\r' ? from : undefined;
  const offset = from.offset + lineEnd;
  return { ...from, offset, isUnterminated: false, guard: await guardBefore(handle, offset) };
}

/** Reads a file from its beginning beside what is stored of it. */
async function compared(
  mark: NativeMark | undefined,
  canonical: Canonical,
  path: string,
  handle: FileHandle,
  stats: Stats,
): Promise<KnownLines | { behind: number }> {
  const { end, isUnterminated } = await wholeLinesEnd(handle, 0, stats.size);
  const position = { offset: 0, lines: 0, digest: CanonicalDigest.start(canonical) };
  const stored = [...(mark?.chunks ?? [])];
  let common = { ...position, digest: position.digest.copy() };

  const known = async (standing: KnownLines['standing']): Promise<KnownLines> => {
    // Without its "\n" the last line is one byte shorter than what is counted.
    const offset = Math.min(common.offset, end);
    const from = { ...common, offset, isUnterminated: isUnterminated && offset === end };
    const guard = await guardBefore(handle, offset);
    const { size, mtimeMs } = stats;
    return { ...identity(path, stats), standing, from: { ...from, guard }, size, mtimeMs };
  };

  if (stored.length === 0) return known('grown');
  for await (const lines of lineBatches(blocks(handle, 0, end))) {
    for (const line of lines) {
      position.digest.addLine(line);
      position.lines++;
      position.offset += line.length + 1;
      if (position.lines < lastLineOf(stored[0]!)) continue;

      if (position.digest.hex() !== stored.shift()!.digest) return known('diverged');
      common = { ...position, digest: position.digest.copy() };
      if (stored.length === 0) return known('grown');
    }
  }
  return position.lines === common.lines ? { behind: position.lines } : known('diverged');
}

function lastLineOf(chunk: { from_line: number; lines: number }): number {
  return chunk.from_line + chunk.lines - 1;
}

function identity(path: string, { dev, ino }: Stats): FileIdentity {
  return { path, dev, ino };
}

function isSameFile(known: FileIdentity, path: string, { dev, ino }: { dev: number; ino: number }): boolean {
  return known.path === path && known.dev === dev && known.ino === ino;
}

function byName(marks: NativeMark[]): Map<string, NativeMark> {
  return new Map(marks.map((mark) => [mark.name, mark]));
}
