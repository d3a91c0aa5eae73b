import { HoldfastError } from './errors.js';
import type { SessionNativeTranscriptsApi } from './generated/apis/SessionNativeTranscriptsApi.js';
import type { SessionNativeChunk } from './generated/models/SessionNativeChunk.js';
import type { SessionNativeFile } from './generated/models/SessionNativeFile.js';
import type { SessionNativeFileMode } from './generated/models/SessionNativeFileMode.js';
import type { SessionNativeFileState } from './generated/models/SessionNativeFileState.js';
import type { SessionNativeOrigin } from './generated/models/SessionNativeOrigin.js';
import type { SessionNativeSave } from './generated/models/SessionNativeSave.js';
import type { SessionNativeSavePoint } from './generated/models/SessionNativeSavePoint.js';
import type { SessionNativeVersion } from './generated/models/SessionNativeVersion.js';
import type { LogSource } from './log-connection.js';
import type { NativeSelector } from './native-content.js';
import { retryCommand } from './retry.js';

/** Whole lines of a file, or a piece of one that is replaced, as @holdfast/harnesses captures them. */
export interface NativeChunk {
  from_line: number;
  lines: number;
  /** Canonical, of the file up to this chunk's end. */
  digest: string;
  data: Uint8Array;
}

/** What is new of one file, as @holdfast/harnesses captures it. */
export type NativeChange =
  | { kind: 'append'; name: string; mode: 'lines'; chunks: AsyncIterable<NativeChunk> }
  | { kind: 'replace'; name: string; mode: 'whole'; chunks: AsyncIterable<NativeChunk> }
  | { kind: 'diverged'; name: string; mode: 'lines'; keep_lines: number; chunks: AsyncIterable<NativeChunk> }
  | { kind: 'behind'; name: string };

/** The version that a save builds on, with what it is made of. */
export interface NativeBase {
  conversation_id: string;
  branch_id: string;
  version: number;
  files: SessionNativeFile[];
}

/** A save of a conversation's files: by a turn under its credential, or a push by a user. */
export interface NativeSave {
  session_id: string;
  harness: string;
  native_id: string;
  /** Where the files are. */
  origin: SessionNativeOrigin;
  turn?: { turn_id: string; epoch: number };
  harness_version?: string | null;
  started_at?: string | null;
  save_point: SessionNativeSavePoint;
  /** What a divergence makes is the branch that turns go on with: the agent of this live turn has rewritten its past. */
  becomes_main?: boolean;
  /** Null makes the conversation. */
  base: NativeBase | null;
}

/** What became of a save. */
export interface NativeSaved {
  version: SessionNativeVersion;
  /** What the next save builds on. */
  base: NativeBase;
  /** The past of a file was another one: what was saved is a branch, and turns go on with the branch that there was. */
  is_branch: boolean;
}

type FreshChange = Exclude<NativeChange, { kind: 'behind' }>;

/** Saves native transcripts through `parts`, the URL of saves. */
export class NativeSaves {
  constructor(
    private readonly api: SessionNativeTranscriptsApi,
    private readonly saves: LogSource,
  ) {}

  /** The newest version of what is selected, or the one that is; undefined when nothing is stored. */
  async base(selector: NativeSelector, signal?: AbortSignal): Promise<NativeBase | undefined> {
    try {
      const { version, files } = await this.api.fetchSessionNativeManifest(selector, { signal });
      return {
        conversation_id: version.conversation_id,
        branch_id: version.branch_id,
        version: version.version,
        files,
      };
    } catch (error) {
      if (error instanceof HoldfastError && error.code === 'resume_state_missing') return undefined;
      throw error;
    }
  }

  /** Undefined when nothing is new. */
  async save(
    save: NativeSave,
    changes: Iterable<NativeChange>,
    signal?: AbortSignal,
  ): Promise<NativeSaved | undefined> {
    const fresh = [...changes].filter((change): change is FreshChange => change.kind !== 'behind');
    if (fresh.length === 0) return undefined;
    const opened = await this.open(save, fresh, signal);
    const files = new Map(save.base?.files.map((file) => [file.name, file]));
    const states: SessionNativeFileState[] = [];
    for (const change of fresh) {
      const file = await this.append(opened, change, save.origin, files.get(change.name), signal);
      if (!file) continue;
      files.set(file.name, file);
      const { name, mode, lines, digest } = file;
      states.push({ name, mode, lines, digest });
    }
    const version = await retryCommand({ signal }, () =>
      this.api.finishSessionNativeSave(
        { save_id: opened.save_id, SessionNativeSaveFinish: { files: states, save_point: save.save_point } },
        { signal },
      ),
    );
    return {
      version,
      base: await this.baseOf(version, opened, [...files.values()], signal),
      is_branch: save.base !== null && version.branch_id !== save.base.branch_id,
    };
  }

  private open(save: NativeSave, changes: FreshChange[], signal?: AbortSignal): Promise<SessionNativeSave> {
    const { session_id, harness, native_id, origin, turn, harness_version, started_at, base, becomes_main } = save;
    const keep = changes.flatMap((change) =>
      change.kind === 'diverged' ? [{ name: change.name, lines: change.keep_lines }] : [],
    );
    const open = {
      session_id,
      harness,
      native_id,
      origin,
      ...turn,
      ...(harness_version && { harness_version }),
      ...(started_at && { started_at: new Date(started_at) }),
      ...(base &&
        (keep.length > 0
          ? { branch: { from_version: base.version, keep, becomes_main } }
          : { branch_id: base.branch_id })),
    };
    const precondition = base ? { If_Match: `"${base.version}"` } : { If_None_Match: '*' };
    return retryCommand({ signal }, () =>
      this.api.openSessionNativeSave({ SessionNativeSaveOpen: open, ...precondition }, { signal }),
    );
  }

  /** The file with what was added; undefined when there was nothing to add. */
  private async append(
    { save_id }: SessionNativeSave,
    change: FreshChange,
    origin: SessionNativeOrigin,
    before: SessionNativeFile | undefined,
    signal?: AbortSignal,
  ): Promise<SessionNativeFile | undefined> {
    const added: SessionNativeChunk[] = [];
    for await (const { from_line, lines, digest, data } of change.chunks) {
      const sha256 = await sha256Of(data);
      const { name, mode } = change;
      await this.put(save_id, { name, mode, from_line, lines, digest, sha256 }, data, signal);
      added.push({ from_line, lines, bytes: data.length, digest, sha256, origin });
    }
    const last = added.at(-1);
    if (!last) return undefined;
    const chunks = [...keptOf(change, before), ...added];
    return {
      name: change.name,
      mode: change.mode,
      lines: sumOf(chunks, 'lines'),
      bytes: sumOf(chunks, 'bytes'),
      digest: last.digest,
      chunks,
    };
  }

  private async put(
    save_id: string,
    part: {
      name: string;
      mode: SessionNativeFileMode;
      from_line: number;
      lines: number;
      digest: string;
      sha256: string;
    },
    data: Uint8Array,
    signal?: AbortSignal,
  ): Promise<void> {
    const query = new URLSearchParams(Object.entries(part).map(([name, value]) => [name, String(value)]));
    const { url, fetch } = this.saves;
    await retryCommand({ signal }, async () => {
      const headers = { ...this.saves.headers, 'Content-Type': 'application/octet-stream' };
      const body = data as Uint8Array<ArrayBuffer>;
      const response = await fetch(`${url}/${save_id}/parts?${query}`, { method: 'PUT', body, headers, signal });
      await response.arrayBuffer();
    });
  }

  /** Where the version is one that there was, it is made of other chunks than those that were sent. */
  private async baseOf(
    { conversation_id, branch_id, version }: SessionNativeVersion,
    opened: SessionNativeSave,
    files: SessionNativeFile[],
    signal?: AbortSignal,
  ): Promise<NativeBase> {
    if (branch_id === opened.branch_id) return { conversation_id, branch_id, version, files };
    return (await this.base({ conversation_id, branch_id, version }, signal))!;
  }
}

function keptOf(change: FreshChange, before: SessionNativeFile | undefined): SessionNativeChunk[] {
  if (!before || change.kind === 'replace') return [];
  if (change.kind === 'append') return before.chunks;
  return before.chunks.filter(({ from_line, lines }) => from_line + lines - 1 <= change.keep_lines);
}

function sumOf(chunks: SessionNativeChunk[], name: 'lines' | 'bytes'): number {
  return chunks.reduce((sum, chunk) => sum + chunk[name], 0);
}

async function sha256Of(data: Uint8Array): Promise<string> {
  const hash = await crypto.subtle.digest('SHA-256', data as Uint8Array<ArrayBuffer>);
  return Array.from(new Uint8Array(hash), (byte) => byte.toString(16).padStart(2, '0')).join('');
}
