import { constants, type Stats } from 'node:fs';
import { open, type FileHandle } from 'node:fs/promises';
import { NativeFileChanged } from './native-errors.js';
import { linesOf } from './native-lines.js';
import { LINE_BYTES } from './native-mark.js';

const BLOCK_BYTES = 1024 * 1024;
const GUARD_BYTES = 4096;
const NEWLINE = 0x0a;
const CLOSE_BRACE = 0x7d;

/** A file as it was looked at; it may have grown since. */
export interface FileIdentity {
  path: string;
  dev: number;
  ino: number;
}

/** Runs with the file open; undefined where it is not there. Symbolic links are not followed. */
export async function withFile<T>(
  path: string,
  use: (handle: FileHandle, stats: Stats) => Promise<T>,
): Promise<T | undefined> {
  const handle = await opened(path);
  if (!handle) return undefined;
  try {
    return await use(handle, await handle.stat());
  } finally {
    await handle.close();
  }
}

/** Blocks of a file, read anew on each iteration. Throws NativeFileChanged where it is not the same file any more. */
export async function* fileBlocks(
  file: FileIdentity,
  range: { start: number; end: number },
  isSame: (handle: FileHandle) => Promise<boolean>,
): AsyncGenerator<Buffer> {
  const handle = await opened(file.path);
  try {
    const stats = await handle?.stat();
    const isThere = stats && stats.dev === file.dev && stats.ino === file.ino && stats.size >= range.end;
    if (!handle || !isThere || !(await isSame(handle))) {
      throw new NativeFileChanged(`${file.path} was replaced while it was read.`);
    }
    yield* blocks(handle, range.start, range.end);
  } finally {
    await handle?.close();
  }
}

/** Throws NativeFileChanged where the file ends before `end`. */
export async function* blocks(handle: FileHandle, start: number, end: number): AsyncGenerator<Buffer> {
  for (let at = start; at < end;) {
    const block = await readAt(handle, at, Math.min(BLOCK_BYTES, end - at));
    if (block.length === 0) throw new NativeFileChanged('The file became shorter while it was read.');
    at += block.length;
    yield block;
  }
}

/** The bytes before an offset: they tell a file that was written anew in place from one that grew. */
export function guardBefore(handle: FileHandle, offset: number): Promise<Buffer> {
  const start = Math.max(0, offset - GUARD_BYTES);
  return readAt(handle, start, offset - start);
}

/** At most `length` bytes; fewer only at the file's end. */
export async function readAt(handle: FileHandle, position: number, length: number): Promise<Buffer> {
  const buffer = Buffer.allocUnsafe(length);
  let filled = 0;
  while (filled < length) {
    const { bytesRead } = await handle.read(buffer, filled, length - filled, position + filled);
    if (bytesRead === 0) break;
    filled += bytesRead;
  }
  return buffer.subarray(0, filled);
}

/**
 * Where the last whole line of `from` to `size` ends. What follows the last "\n" is a whole line when it is a JSON
 * object: nothing but white space could still be added to it. Anything else is still being written.
 */
export async function wholeLinesEnd(
  handle: FileHandle,
  from: number,
  size: number,
): Promise<{ end: number; isUnterminated: boolean }> {
  const end = await afterLastNewline(handle, from, size);
  const isWhole = size > end && size - end <= LINE_BYTES && (await isObject(handle, end, size));
  return isWhole ? { end: size, isUnterminated: true } : { end, isUnterminated: false };
}

async function afterLastNewline(handle: FileHandle, from: number, size: number): Promise<number> {
  for (let end = size; end > from;) {
    const start = Math.max(from, end - 64 * 1024);
    const newline = (await readAt(handle, start, end - start)).lastIndexOf(NEWLINE);
    if (newline >= 0) return start + newline + 1;
    end = start;
  }
  return from;
}

async function isObject(handle: FileHandle, start: number, end: number): Promise<boolean> {
  const [last] = await readAt(handle, end - 1, 1);
  if (last !== CLOSE_BRACE) return false;
  try {
    const value: unknown = JSON.parse((await readAt(handle, start, end - start)).toString('utf8'));
    return typeof value === 'object';
  } catch {
    return false;
  }
}

async function opened(path: string): Promise<FileHandle | undefined> {
  try {
    return await open(path, constants.O_RDONLY | constants.O_NOFOLLOW);
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    if (code === 'ENOENT' || code === 'ENOTDIR') return undefined;
    if (code === 'ELOOP') throw new NativeFileChanged(`${path} became a symbolic link.`);
    throw error;
  }
}

/** The whole lines at the beginning of a file, as many as 64 KiB hold, or 1 MiB where those hold none; empty where it is not there. */
export async function firstLines(path: string): Promise<Buffer[]> {
  const lines = await withFile(path, async (handle) => {
    for (const length of [64 * 1024, BLOCK_BYTES]) {
      const head = await readAt(handle, 0, length);
      const end = head.lastIndexOf(NEWLINE) + 1;
      if (end || head.length < length) return linesOf(head.subarray(0, end));
    }
    return [];
  });
  return lines ?? [];
}
