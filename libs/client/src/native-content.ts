import { unlessAborted } from './api-fetch.js';
import { HoldfastConnectionError } from './errors.js';
import type { SessionNativeContentShape } from './generated/models/SessionNativeContentShape.js';
import type { SessionNativeFile } from './generated/models/SessionNativeFile.js';
import type { SessionNativeManifest } from './generated/models/SessionNativeManifest.js';
import type { LogSource } from './log-connection.js';

/** Which version of which conversation; at least one of the first three. */
export interface NativeSelector {
  session_id?: string;
  conversation_id?: string;
  native_id?: string;
  /** The program that is to go on with it. */
  harness?: string;
  branch_id?: string;
  version?: number;
}

export type NativeContentSelector = NativeSelector & { as: SessionNativeContentShape; format?: string };

/** A version as its bytes. Reading them throws HoldfastConnectionError when they end too soon. */
export interface NativeContent {
  version: number;
  content: AsyncIterable<Uint8Array>;
}

/** The files of a version, one after the other: what of one is not read is passed over when the next is asked for. */
export interface NativeFiles {
  manifest: SessionNativeManifest;
  files: AsyncIterable<{ mark: SessionNativeFile; data: AsyncIterable<Uint8Array> }>;
}

const BLOCK = 512;

/** Asks for a version. `source` is the operation. */
export async function readNativeContent(
  { url, headers, fetch }: LogSource,
  selector: NativeContentSelector,
  signal?: AbortSignal,
): Promise<NativeContent> {
  const query = new URLSearchParams();
  for (const [name, value] of Object.entries(selector)) if (value !== undefined) query.set(name, String(value));
  const response = await fetch(`${url}?${query}`, { headers, signal });
  const version = Number(/^"(\d+)"$/.exec(response.headers.get('etag') ?? '')?.[1]);
  return { version, content: bytesOf(response.body!, signal) };
}

async function* bytesOf(body: ReadableStream<Uint8Array>, signal?: AbortSignal): AsyncGenerator<Uint8Array> {
  const reader = body.getReader();
  try {
    for (;;) {
      const { done, value } = await unlessAborted(signal, () => reader.read());
      if (done) return;
      yield value;
    }
  } finally {
    // A reader that stops early leaves the rest unsent.
    await reader.cancel().catch(() => undefined);
  }
}

/** Takes the archive of a version apart while it comes. */
export async function nativeFilesOf({ content }: NativeContent): Promise<NativeFiles> {
  const archive = new ArchiveBytes(content);
  const size = await nextFile(archive);
  const manifest = JSON.parse(new TextDecoder().decode(await archive.take(size))) as SessionNativeManifest;
  await archive.skip(padding(size));
  return { manifest, files: filesOf(archive, manifest.files) };
}

async function* filesOf(archive: ArchiveBytes, marks: SessionNativeFile[]): NativeFilesGenerator {
  try {
    for (const mark of marks) {
      const size = await nextFile(archive);
      if (size !== mark.bytes) throw new HoldfastConnectionError(`"${mark.name}" is not what the manifest says of it.`);
      let left = size;
      async function* data() {
        while (left > 0) {
          const piece = await archive.some(left);
          left -= piece.length;
          yield piece;
        }
      }
      yield { mark, data: data() };
      await archive.skip(left + padding(size));
    }
    await archive.skip(2 * BLOCK);
  } finally {
    await archive.close();
  }
}

type NativeFilesGenerator = AsyncGenerator<{ mark: SessionNativeFile; data: AsyncIterable<Uint8Array> }>;

const padding = (size: number) => (BLOCK - (size % BLOCK)) % BLOCK;

/** The size of the next file; names are in the manifest, so pax headers, which only tell long ones, are passed over. */
async function nextFile(archive: ArchiveBytes): Promise<number> {
  for (;;) {
    const header = new TextDecoder('latin1').decode(await archive.take(BLOCK));
    const size = parseInt(header.slice(124, 136), 8);
    if (header.slice(257, 262) !== 'ustar' || Number.isNaN(size)) {
      throw new HoldfastConnectionError('The answer is no archive of a native transcript.');
    }
    if (header[156] === '0') return size;
    await archive.skip(size + padding(size));
  }
}

/** Bytes that are taken in other portions than they come in. */
class ArchiveBytes {
  private readonly source: AsyncIterator<Uint8Array>;
  private rest: Uint8Array = new Uint8Array();

  constructor(content: AsyncIterable<Uint8Array>) {
    this.source = content[Symbol.asyncIterator]();
  }

  /** At least one byte and at most `most`. */
  async some(most: number): Promise<Uint8Array> {
    while (this.rest.length === 0) {
      const { done, value } = await this.source.next();
      if (done) throw new HoldfastConnectionError('The connection failed: the archive ended too soon');
      this.rest = value as Uint8Array;
    }
    const piece = this.rest.subarray(0, most);
    this.rest = this.rest.subarray(piece.length);
    return piece;
  }

  async take(bytes: number): Promise<Uint8Array> {
    const all = new Uint8Array(bytes);
    for (let at = 0; at < bytes;) {
      const piece = await this.some(bytes - at);
      all.set(piece, at);
      at += piece.length;
    }
    return all;
  }

  async skip(bytes: number): Promise<void> {
    for (let left = bytes; left > 0;) left -= (await this.some(left)).length;
  }

  async close(): Promise<void> {
    await this.source.return?.();
  }
}
