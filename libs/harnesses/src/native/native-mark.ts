import type { NativeMode, NativeOrigin } from './native-harness.js';

/** Most bytes of a chunk that holds more than one line. */
export const CHUNK_BYTES = 4 * 1024 * 1024;
/** Most bytes of one line. */
export const LINE_BYTES = 16 * 1024 * 1024;

/** What is stored of one piece of a file. */
export interface NativeChunkMark {
  /** 1 for the first line; of a whole file the piece's number. */
  from_line: number;
  /** Of a whole file 1. */
  lines: number;
  /** Of the raw content. */
  bytes: number;
  /** Canonical digest of the file from its beginning to this chunk's end. */
  digest: string;
  /** Of the raw bytes, hex. */
  sha256: string;
  origin: NativeOrigin;
}

/** What is stored of one file. */
export interface NativeMark {
  name: string;
  mode: NativeMode;
  lines: number;
  bytes: number;
  digest: string;
  chunks: NativeChunkMark[];
}

/** Whole lines of one file, raw, at most CHUNK_BYTES or one line of at most LINE_BYTES. */
export interface NativeChunk {
  from_line: number;
  lines: number;
  /** As in NativeChunkMark. */
  digest: string;
  data: Buffer;
}

/** One file's news since its mark. `chunks` can be read more than once, and only from the state of the look that gave it. */
export type NativeChange =
  | { kind: 'append'; name: string; mode: 'lines'; from_line: number; chunks: AsyncIterable<NativeChunk> }
  | { kind: 'replace'; name: string; mode: 'whole'; chunks: AsyncIterable<NativeChunk> }
  /** The past is another one: `keep_lines` is the longest common prefix that ends with a stored chunk. */
  | { kind: 'diverged'; name: string; mode: 'lines'; keep_lines: number; chunks: AsyncIterable<NativeChunk> }
  /** The place has less than what is stored, and nothing else: `lines` are there, 0 for a file that is not there. */
  | { kind: 'behind'; name: string; mode: NativeMode; lines: number };

/** A stored file whose content is fetched when it is needed. */
export interface StoredFile {
  mark: NativeMark;
  /** The raw content of all chunks, one after the other, in buffers of any size. */
  data: AsyncIterable<Buffer>;
}
