import { randomUUID } from 'node:crypto';
import { mkdir, open, opendir, readdir, rename, rm, stat, type FileHandle } from 'node:fs/promises';
import path from 'node:path';
import { pipeline, type Readable } from 'node:stream';
import { BlobCorrupt, BlobNotFound, BlobRangeInvalid, BlobStoreFull, BlobStoreUnavailable } from './blob.errors.js';
import { assertBlobKey, assertBlobPrefix } from './blob-key.rules.js';
import { BlobStore, type BlobEntry, type BlobFacts, type BlobRange } from './blob-store.js';
import { checkStored, readChecked } from './checked-body.js';

/** A file begins with this, the SHA-256 and the length (64 bits, big endian) of what follows. */
const MAGIC = Buffer.from('HFBLOB1\n');
const HEADER_BYTES = MAGIC.length + 32 + 8;
/** No key has a `+`, so that a file and a folder never want the same name. */
const SUFFIX = '+blob';
const ABANDONED_AFTER_MS = 60 * 60 * 1000;
const NO_ROOM = ['ENOSPC', 'EDQUOT', 'EFBIG'];

/** Blobs as files of one folder, for one machine or for several that share the file system. */
export class FolderBlobStore extends BlobStore {
  /** Folders whose entries up to the store's own are known to be on the disk. */
  private readonly durable = new Set<string>();

  private constructor(
    private readonly blobs: string,
    private readonly unfinished: string,
  ) {
    super();
  }

  /** Makes the folder where it is not there yet, and removes what a process left unfinished there over an hour ago. */
  static async open(folder: string): Promise<FolderBlobStore> {
    const store = new FolderBlobStore(path.join(folder, 'blobs'), path.join(folder, 'unfinished'));
    await mkdir(store.blobs, { recursive: true, mode: 0o700 }).catch(unavailable);
    await mkdir(store.unfinished, { recursive: true, mode: 0o700 }).catch(unavailable);
    await store.removeAbandoned();
    return store;
  }

  async put(key: string, body: Buffer | Readable, facts: BlobFacts): Promise<void> {
    const target = this.fileOf(key);
    const content = await readChecked(key, body, facts);
    const header = Buffer.alloc(HEADER_BYTES);
    MAGIC.copy(header);
    header.write(facts.sha256, MAGIC.length, 'hex');
    header.writeBigUInt64BE(BigInt(facts.bytes), HEADER_BYTES - 8);

    const temporary = path.join(this.unfinished, randomUUID());
    try {
      await writeDurably(temporary, [header, content]);
      await mkdir(path.dirname(target), { recursive: true, mode: 0o700 });
      await rename(temporary, target);
      await this.keepEntries(path.dirname(target));
    } catch (error) {
      await rm(temporary, { force: true }).catch(() => undefined);
      throw asStoreError(error);
    }
  }

  async get(key: string, range?: BlobRange): Promise<Readable> {
    const file = await this.openBlob(key);
    if (!file) throw BlobNotFound({ key });
    const { handle, bytes, sha256 } = file;
    const { start, end } = range ?? { start: 0, end: bytes - 1 };
    if (range && (start < 0 || start >= bytes || end < start)) {
      await handle.close();
      throw BlobRangeInvalid({ key, bytes });
    }
    const last = Math.min(end, bytes - 1);
    const whole = !range || (start === 0 && last === bytes - 1);
    const checked = checkStored(key, { bytes: last - start + 1, ...(whole && { sha256 }) });
    // A stream's `end` is inclusive too, so that it cannot say "nothing": an empty blob is read to its (empty) end.
    const part = { start: HEADER_BYTES + start, ...(bytes > 0 && { end: HEADER_BYTES + last }) };
    return pipeline(handle.createReadStream(part), checked, () => undefined);
  }

  async head(key: string): Promise<{ bytes: number } | undefined> {
    const file = await this.openBlob(key);
    await file?.handle.close();
    return file && { bytes: file.bytes };
  }

  async delete(key: string): Promise<void> {
    await rm(this.fileOf(key), { force: true }).catch(unavailable);
  }

  async *list(prefix: string): AsyncIterable<BlobEntry> {
    assertBlobPrefix(prefix);
    yield* this.walk(prefix);
  }

  async check(): Promise<void> {
    const probe = path.join(this.unfinished, randomUUID());
    try {
      const handle = await open(probe, 'wx', 0o600);
      await handle.write('x').finally(() => handle.close());
    } catch (error) {
      throw asStoreError(error);
    } finally {
      await rm(probe, { force: true }).catch(() => undefined);
    }
  }

  private fileOf(key: string): string {
    assertBlobKey(key);
    return path.join(this.blobs, key) + SUFFIX;
  }

  private async openBlob(key: string) {
    const handle = await open(this.fileOf(key)).catch(absent).catch(unavailable);
    if (!handle) return undefined;
    try {
      return { handle, ...(await readHeader(key, handle)) };
    } catch (error) {
      await handle.close();
      throw asStoreError(error);
    }
  }

  private async *walk(prefix: string): AsyncIterable<BlobEntry> {
    const folder = await opendir(path.join(this.blobs, prefix)).catch(absent).catch(unavailable);
    if (!folder) return;
    for await (const entry of folder) {
      if (entry.isDirectory()) yield* this.walk(`${prefix}${entry.name}/`);
      if (!entry.isFile() || !entry.name.endsWith(SUFFIX)) continue;
      const key = prefix + entry.name.slice(0, -SUFFIX.length);
      const facts = await stat(this.fileOf(key)).catch(absent).catch(unavailable);
      if (facts) yield { key, bytes: Math.max(0, facts.size - HEADER_BYTES), modified_at: facts.mtime };
    }
  }

  /** A rename outlives a power failure once its folder is on the disk, and that folder's entry in the one above. */
  private async keepEntries(folder: string): Promise<void> {
    await syncFolder(folder);
    for (let at = folder; at !== this.blobs && !this.durable.has(at); at = path.dirname(at)) {
      await syncFolder(path.dirname(at));
      this.durable.add(at);
    }
  }

  private async removeAbandoned(): Promise<void> {
    for (const name of await readdir(this.unfinished).catch(unavailable)) {
      const file = path.join(this.unfinished, name);
      const facts = await stat(file).catch(absent).catch(unavailable);
      if (facts && facts.mtimeMs < Date.now() - ABANDONED_AFTER_MS) await rm(file, { force: true });
    }
  }
}

async function writeDurably(file: string, parts: Buffer[]): Promise<void> {
  const handle = await open(file, 'wx', 0o600);
  try {
    for (const part of parts) await handle.writeFile(part);
    await handle.sync();
  } finally {
    await handle.close();
  }
}

async function readHeader(key: string, handle: FileHandle): Promise<BlobFacts> {
  const header = Buffer.alloc(HEADER_BYTES);
  const { bytesRead } = await handle.read(header, 0, HEADER_BYTES, 0);
  if (bytesRead < HEADER_BYTES || !header.subarray(0, MAGIC.length).equals(MAGIC)) {
    throw BlobCorrupt({ key, why: 'its file has no header' });
  }
  const bytes = Number(header.readBigUInt64BE(HEADER_BYTES - 8));
  const present = (await handle.stat()).size - HEADER_BYTES;
  if (present !== bytes) throw BlobCorrupt({ key, why: `${present} of its ${bytes} bytes are there` });
  return { bytes, sha256: header.toString('hex', MAGIC.length, MAGIC.length + 32) };
}

async function syncFolder(folder: string): Promise<void> {
  const handle = await open(folder);
  await handle.sync().finally(() => handle.close());
}

function absent(error: NodeJS.ErrnoException): undefined {
  if (error.code === 'ENOENT' || error.code === 'ENOTDIR') return undefined;
  throw error;
}

function unavailable(error: unknown): never {
  throw asStoreError(error);
}

function asStoreError(error: unknown): unknown {
  const code = (error as NodeJS.ErrnoException).code;
  // A DomainError has a code as well, but no system call.
  if (!code || !(error as NodeJS.ErrnoException).syscall) return error;
  return NO_ROOM.includes(code)
    ? BlobStoreFull({ why: code }, { cause: error })
    : BlobStoreUnavailable({ why: code }, { cause: error });
}
