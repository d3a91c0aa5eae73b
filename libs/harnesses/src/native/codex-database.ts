import { open } from 'node:fs/promises';
import path from 'node:path';
import { isPlainFile, entriesOf } from './native-folders.js';

const BLOCK_BYTES = 1024 * 1024;
/** A path and what stands around it is never longer. */
const OVERLAP_BYTES = 8192;

/**
 * The rollout path that a home's own database has for a thread, at present or lately: Codex reads no other, also when
 * there is no file at it. Node 20 has no SQLite, so the text of the database's pages and of its write-ahead log is
 * searched; of several paths (a moved rollout leaves its old one in free pages) one with a file wins, then the newest.
 */
export async function knownRolloutPath(root: string, id: string): Promise<string | undefined> {
  const found = new Set<string>();
  const databases = (await entriesOf(root)).filter(({ name }) => /^state_\d+\.sqlite(-wal)?$/.test(name));
  for (const { name } of databases) {
    for await (const file of pathsIn(path.join(root, name), root, id)) {
      found.delete(file);
      found.add(file);
    }
  }
  const newestFirst = [...found].reverse();
  for (const file of newestFirst) if (await isPlainFile(file)) return file;
  return newestFirst[0];
}

async function* pathsIn(database: string, root: string, id: string): AsyncGenerator<string> {
  const begin = Buffer.from(`${root}${path.sep}`);
  const end = Buffer.from(`-${id}.jsonl`);
  for await (const text of overlappingBlocks(database)) {
    for (let at = text.indexOf(end); at >= 0; at = text.indexOf(end, at + 1)) {
      const start = text.lastIndexOf(begin, at);
      if (start < 0) continue;
      const file = text.toString('utf8', start, at + end.length);
      if (isRollout(path.relative(root, file))) yield file;
    }
  }
}

function isRollout(relative: string): boolean {
  return /^(sessions|archived_sessions)\/([\w.-]+\/)*rollout-[\w.-]+\.jsonl$/.test(relative);
}

async function* overlappingBlocks(file: string): AsyncGenerator<Buffer> {
  const handle = await open(file).catch(() => undefined);
  if (!handle) return;
  try {
    let before = Buffer.alloc(0);
    for (let at = 0; ;) {
      const block = Buffer.allocUnsafe(BLOCK_BYTES);
      const { bytesRead } = await handle.read(block, 0, BLOCK_BYTES, at);
      if (bytesRead === 0) return;
      at += bytesRead;
      before = Buffer.concat([before, block.subarray(0, bytesRead)]);
      yield before;
      before = before.subarray(-OVERLAP_BYTES);
    }
  } finally {
    await handle.close();
  }
}
