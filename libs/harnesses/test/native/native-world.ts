import { createHash } from 'node:crypto';
import { mkdir, mkdtemp, readFile, realpath, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import {
  nativeHarness,
  type NativeCapture,
  type NativeChange,
  type NativeChunk,
  type NativeHarness,
  type NativeMark,
  type NativeOrigin,
  type NativePlace,
  type StoredFile,
} from '../../src/index.js';
import { filesBelow } from '../../src/native/native-folders.js';

const samples = path.join(__dirname, '../samples');

/** The id of the conversation of a harness's samples. */
export const SAMPLE_IDS: Record<string, string> = {
  claude: '5f0c2f4e-3d0b-4c86-9d1e-0a4b7c9e2a11',
  codex: '019bc0ab-2410-7c3e-8f21-5b6d7e8f9a01',
  gemini: '7d1b434e-835d-4e4a-aefb-cc09eed8179d',
  opencode: 'ses_1fe69d37cffeA1b2C3d4E5f6G7',
  scripted: '5f0c2f4e-3d0b-4c86-9d1e-0a4b7c9e2a11',
};

export const STARTED_AT = '2026-01-15T08:00:00.016Z';

export function harnessOf(name: string): NativeHarness {
  return nativeHarness(name)!;
}

/** A user of a machine: an empty home and a working directory outside of it. */
export interface Machine extends NativePlace {
  folder: string;
  home: string;
  remove(): Promise<void>;
}

export async function machine(options: { home?: string; cwd?: string } = {}): Promise<Machine> {
  const folder = await realpath(await mkdtemp(path.join(tmpdir(), 'holdfast-native-')));
  const home = path.join(folder, options.home ?? 'home');
  const cwd = path.join(folder, options.cwd ?? 'code');
  await mkdir(home);
  await mkdir(cwd, { recursive: true });
  const exchange = path.join(folder, 'exchange');
  const remove = () => rm(folder, { recursive: true, force: true });
  return { folder, home, cwd, exchange, env: { HOME: home }, remove };
}

export interface SampleFile {
  name: string;
  path: string;
  content: Buffer;
}

/** Writes a harness's sample conversation to where its program would have written it. */
export async function installSample(harness: NativeHarness, place: NativePlace): Promise<SampleFile[]> {
  const native_id = SAMPLE_IDS[harness.name]!;
  const origin = await harness.origin(place);
  const words: Record<string, string> = {
    ROOT: origin.root,
    CWD: origin.cwd,
    FOLDER: origin.cwd.replace(/[^A-Za-z0-9]/g, '-'),
  };
  const folder = path.join(samples, harness.name);
  const files: SampleFile[] = [];
  for await (const file of filesBelow(folder)) {
    const name = path.relative(folder, file).split(path.sep).join('/');
    const text = (await readFile(file, 'utf8')).replace(/\{\{(\w+)\}\}/g, (_, word: string) => words[word]!);
    const target = await harness.targetPath(place, { native_id, started_at: STARTED_AT }, name);
    await mkdir(path.dirname(target), { recursive: true });
    await writeFile(target, text);
    files.push({ name, path: target, content: Buffer.from(text) });
  }
  return files;
}

/** What a server keeps of one branch of a conversation. */
export class Store {
  readonly marks: NativeMark[] = [];
  private readonly contents = new Map<string, Buffer[]>();

  /** Saves what is new; a divergence replaces what comes after the common prefix. */
  async save(
    capture: NativeCapture,
    origin: NativeOrigin,
  ): Promise<(Omit<NativeChange, 'chunks'> & { bytes: number })[]> {
    const saved = [];
    for (const change of await capture.changes()) {
      const before = sizeOf(this.mark(change.name, change.mode));
      if ('chunks' in change) await this.take(change, origin);
      const { chunks: _, ...told } = { chunks: undefined, ...change };
      saved.push({ ...told, bytes: sizeOf(this.mark(change.name, change.mode)) - before });
    }
    capture.accepted(structuredClone(this.marks));
    return saved;
  }

  content(name: string): string {
    return Buffer.concat(this.contents.get(name) ?? []).toString('utf8');
  }

  raw(name: string): Buffer[] {
    return this.contents.get(name) ?? [];
  }

  files(): StoredFile[] {
    return this.marks.map((mark) => {
      const contents = this.contents.get(mark.name)!;
      return { mark, data: inPieces(Buffer.concat(contents)) };
    });
  }

  private async take(change: Exclude<NativeChange, { kind: 'behind' }>, origin: NativeOrigin): Promise<void> {
    const mark = this.mark(change.name, change.mode);
    const contents = this.contents.get(change.name) ?? [];
    const keep = change.kind === 'append' ? change.from_line - 1 : change.kind === 'diverged' ? change.keep_lines : 0;
    const kept = mark.chunks.filter((chunk) => chunk.from_line + chunk.lines - 1 <= keep);
    if (kept.reduce((sum, { lines }) => sum + lines, 0) !== keep) throw new Error(`no chunk ends at line ${keep}`);
    mark.chunks = kept;
    contents.length = kept.length;
    for await (const chunk of change.chunks) {
      mark.chunks.push(markOf(chunk, origin));
      contents.push(chunk.data);
    }
    this.contents.set(change.name, contents);
    mark.lines = mark.chunks.reduce((sum, { lines }) => sum + lines, 0);
    mark.bytes = sizeOf(mark);
    mark.digest = mark.chunks.at(-1)?.digest ?? '';
  }

  private mark(name: string, mode: NativeMark['mode']): NativeMark {
    const found = this.marks.find((mark) => mark.name === name);
    if (found) return found;
    const mark: NativeMark = { name, mode, lines: 0, bytes: 0, digest: '', chunks: [] };
    this.marks.push(mark);
    return mark;
  }
}

export async function read(file: string): Promise<string> {
  return readFile(file, 'utf8');
}

function markOf({ from_line, lines, digest, data }: NativeChunk, origin: NativeOrigin): NativeMark['chunks'][number] {
  const sha256 = createHash('sha256').update(data).digest('hex');
  return { from_line, lines, bytes: data.length, digest, sha256, origin };
}

function sizeOf(mark: NativeMark): number {
  return mark.chunks.reduce((sum, { bytes }) => sum + bytes, 0);
}

/** As a network hands them over: in buffers that know nothing of lines. */
async function* inPieces(content: Buffer): AsyncGenerator<Buffer> {
  for (let at = 0; at < content.length; at += 100_003) yield content.subarray(at, at + 100_003);
}
