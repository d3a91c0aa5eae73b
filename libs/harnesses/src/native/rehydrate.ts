import { createHash, randomUUID } from 'node:crypto';
import { mkdir, open, rename, rm } from 'node:fs/promises';
import path from 'node:path';
import { ConversationLoadFailed } from './native-errors.js';
import type { NativeConversation, NativeHarness, NativeOrigin, NativePlace } from './native-harness.js';
import { changedLine, linesOf } from './native-lines.js';
import { LINE_BYTES, type NativeMark, type StoredFile } from './native-mark.js';
import { checkInside } from './safe-path.js';

const NEWLINE = Buffer.from('\n');

interface Written {
  name: string;
  path: string;
  temporary: string;
}

/**
 * Writes a stored conversation where its program finds it: all files beside their targets first, then renamed, the main
 * one last. Files are 0600, folders made 0700, times fresh. Content is relocated from where it was captured.
 * Throws ConversationLoadFailed for content that does not fit its checksums, UnsafeNativePath, NativeFileUnusable.
 */
export async function rehydrate(
  harness: NativeHarness,
  place: NativePlace,
  conversation: NativeConversation,
  files: AsyncIterable<StoredFile> | Iterable<StoredFile>,
): Promise<{ name: string; path: string }[]> {
  const origin = await harness.origin(place);
  const mainName = harness.mainName(conversation.native_id);
  const mainPath = await harness.targetPath(place, conversation, mainName);
  const written: Written[] = [];
  try {
    for await (const { mark, data } of files) {
      if (written.some(({ name }) => name === mark.name)) {
        throw new ConversationLoadFailed(`The stored conversation has ${mark.name} twice.`);
      }
      const target = mark.name === mainName ? mainPath : await harness.targetPath(place, conversation, mark.name);
      await checkInside(origin.root, target);
      await mkdir(path.dirname(target), { recursive: true, mode: 0o700 });
      const temporary = path.join(path.dirname(target), `.holdfast-${randomUUID()}.tmp`);
      written.push({ name: mark.name, path: target, temporary });
      await write(temporary, relocated(harness, conversation.native_id, mark, data, origin, mainPath));
    }
    if (!written.some(({ name }) => name === mainName)) {
      throw new ConversationLoadFailed(`The stored conversation has no ${mainName}.`);
    }
    const mainLast = [...written].sort((a, b) => Number(a.name === mainName) - Number(b.name === mainName));
    for (const file of mainLast) await rename(file.temporary, file.path);
  } catch (error) {
    for (const { temporary } of written) await rm(temporary, { force: true });
    throw error;
  }
  return written.map(({ name, path: file }) => ({ name, path: file }));
}

/** A stored file's content as it must be at another place, chunk by chunk, each held against its checksum. */
export async function* relocated(
  harness: NativeHarness,
  nativeId: string,
  mark: NativeMark,
  data: AsyncIterable<Buffer>,
  to: NativeOrigin,
  mainPath: string | null,
): AsyncGenerator<Buffer> {
  const isOnePiece = mark.mode === 'whole' && mark.chunks.length === 1;
  let number = 0;
  for await (const chunk of storedChunks(mark, data)) {
    const { origin } = mark.chunks[number]!;
    number++;
    const relocate = harness.relocate(nativeId, mark.name, origin, to, mainPath);
    if (mark.mode === 'lines') yield relocatedLines(chunk, relocate);
    else yield isOnePiece ? relocate(chunk) : chunk;
  }
}

function relocatedLines(chunk: Buffer, relocate: (content: Buffer) => Buffer): Buffer {
  return Buffer.concat(linesOf(chunk).flatMap((line) => [changedLine(line, relocate), NEWLINE]));
}

async function* storedChunks({ name, chunks }: NativeMark, data: AsyncIterable<Buffer>): AsyncGenerator<Buffer> {
  const damaged = () => new ConversationLoadFailed(`The stored content of ${name} does not fit its checksums.`);
  const open = [...chunks];
  let gathered: Buffer[] = [];
  let missing = open[0]?.bytes ?? 0;
  if (open.some(({ bytes }) => bytes < 1 || bytes > LINE_BYTES + 1)) throw damaged();
  for await (let block of data) {
    while (block.length) {
      const chunk = open[0];
      if (!chunk) throw damaged();
      const part = block.subarray(0, missing);
      gathered.push(part);
      missing -= part.length;
      block = block.subarray(part.length);
      if (missing) continue;

      const content = Buffer.concat(gathered);
      if (createHash('sha256').update(content).digest('hex') !== chunk.sha256) throw damaged();
      yield content;
      open.shift();
      gathered = [];
      missing = open[0]?.bytes ?? 0;
    }
  }
  if (open.length) throw damaged();
}

async function write(file: string, content: AsyncIterable<Buffer>): Promise<void> {
  const handle = await open(file, 'wx', 0o600);
  try {
    for await (const part of content) await handle.writeFile(part);
    await handle.sync();
  } finally {
    await handle.close();
  }
}
