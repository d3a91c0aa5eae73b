import { createHash, randomUUID } from 'node:crypto';
import type { NativeChange, NativeChunkMark, NativeMark, NativeOrigin, StoredFile } from '@holdfast/harnesses';
import { ControlPlaneRefusal } from '../src/control-plane.js';
import {
  ContentCutOff,
  type ConversationSave,
  type NativeConverted,
  type NativeStore,
  type StoredConversation,
} from '../src/native/native-store.js';

interface Version {
  version: number;
  branch_id: string;
  point: ConversationSave['point'];
  files: NativeMark[];
}

export interface MemoryConversation {
  conversation_id: string;
  harness: string;
  native_id: string;
  started_at: string | null;
  main: string;
  versions: Version[];
}

type News = Exclude<NativeChange, { kind: 'behind' }>;

/** Conversations of one session as the api keeps them, in memory. */
export class MemoryNativeStore implements NativeStore {
  readonly conversations: MemoryConversation[] = [];
  /** Run before a call is judged; throw to refuse it, or to lose it. */
  beforeSave: (save: ConversationSave) => Promise<void> | void = () => undefined;
  /** Throw to lose the answer of a save that took effect. */
  afterSave: () => void = () => undefined;
  beforeFind: () => void = () => undefined;
  /** How many bytes of content come before the connection breaks. */
  breaksAfter = Infinity;
  conversion: ((harness: string) => NativeConverted) | undefined;
  private readonly blobs = new Map<string, Buffer>();

  /** The bytes of one file of the newest version of the main branch. */
  text(nativeId: string, name: string): string {
    const mark = this.newest(this.of(nativeId)!).files.find((file) => file.name === name);
    return mark ? this.bytes(mark).toString() : '';
  }

  of(nativeId: string): MemoryConversation | undefined {
    return this.conversations.find(({ native_id }) => native_id === nativeId);
  }

  /** How many lines of versions there are. */
  branches(nativeId: string): number {
    return new Set(this.of(nativeId)?.versions.map(({ branch_id }) => branch_id)).size;
  }

  /** Makes the content of every chunk another one. */
  damage(): void {
    for (const [sha256, data] of this.blobs) this.blobs.set(sha256, Buffer.alloc(data.length, 'x'));
  }

  async find(harness: string, nativeId: string): Promise<StoredConversation | undefined> {
    this.beforeFind();
    const conversation = this.of(nativeId);
    if (!conversation) return undefined;
    if (conversation.harness !== harness) throw new ControlPlaneRefusal(409, 'harness_mismatch', conversation.harness);
    return this.stored(conversation, this.newest(conversation));
  }

  async *content({ files }: StoredConversation): AsyncGenerator<StoredFile> {
    let left = this.breaksAfter;
    for (const mark of files) {
      const bytes = this.bytes(mark);
      async function* data() {
        yield bytes.subarray(0, left);
        left -= bytes.length;
        if (left < 0) throw new ContentCutOff('connection reset');
      }
      yield { mark, data: data() };
    }
  }

  async save(save: ConversationSave, changes: readonly NativeChange[]): Promise<StoredConversation | undefined> {
    const news = changes.filter((change): change is News => change.kind !== 'behind');
    if (news.length === 0) return undefined;
    await this.beforeSave(save);
    const isDiverged = news.some(({ kind }) => kind === 'diverged');
    const marks = new Map(save.base?.files.map((mark) => [mark.name, mark]));
    for (const change of news)
      marks.set(change.name, await this.markAfter(marks.get(change.name), change, save.origin));

    const conversation = this.of(save.native_id) ?? this.created(save);
    const newest = conversation.versions.findLast(({ branch_id }) => branch_id === save.base?.branch_id);
    if (!isDiverged && newest?.version !== save.base?.version) {
      throw new ControlPlaneRefusal(412, 'version_conflict', `${newest?.version}`);
    }
    const branch_id = isDiverged ? randomUUID() : (save.base?.branch_id ?? conversation.main);
    if (isDiverged && save.becomes_main) conversation.main = branch_id;
    const version = {
      version: conversation.versions.length + 1,
      branch_id,
      point: save.point,
      files: [...marks.values()],
    };
    conversation.versions.push(version);
    this.afterSave();
    return this.stored(conversation, version);
  }

  async convert(harness: string): Promise<NativeConverted> {
    if (!this.conversion) throw new ControlPlaneRefusal(404, 'resume_state_missing', 'No records.');
    return this.conversion(harness);
  }

  /** A conversation that was brought here by other means: one file of lines. */
  put(harness: string, native_id: string, name: string, lines: string[], origin: NativeOrigin): MemoryConversation {
    const conversation = this.created({ harness, native_id, started_at: null });
    const data = Buffer.from(lines.map((line) => `${line}\n`).join(''));
    const digest = createHash('sha256').update(data).digest('hex');
    const chunk = this.kept({ from_line: 1, lines: lines.length, digest, data }, origin);
    const mark: NativeMark = { name, mode: 'lines', lines: lines.length, bytes: data.length, digest, chunks: [chunk] };
    conversation.versions.push({ version: 1, branch_id: conversation.main, point: 'periodic', files: [mark] });
    return conversation;
  }

  private created(save: Pick<ConversationSave, 'harness' | 'native_id' | 'started_at'>): MemoryConversation {
    const { harness, native_id, started_at } = save;
    const conversation_id = randomUUID();
    const made = { conversation_id, harness, native_id, started_at, main: randomUUID(), versions: [] };
    this.conversations.push(made);
    return made;
  }

  private async markAfter(before: NativeMark | undefined, change: News, origin: NativeOrigin): Promise<NativeMark> {
    const { name, mode } = change;
    const kept = (before?.chunks ?? []).filter(({ from_line, lines }) => {
      if (change.kind === 'replace') return false;
      return change.kind === 'append' || from_line + lines - 1 <= change.keep_lines;
    });
    const added: NativeChunkMark[] = [];
    for await (const chunk of change.chunks) added.push(this.kept(chunk, origin));
    const chunks = [...kept, ...added];
    const [lines, bytes] = [sum(chunks, 'lines'), sum(chunks, 'bytes')];
    return { name, mode, lines, bytes, digest: chunks.at(-1)!.digest, chunks };
  }

  private kept(
    { data, ...chunk }: { from_line: number; lines: number; digest: string; data: Buffer },
    origin: NativeOrigin,
  ): NativeChunkMark {
    const sha256 = createHash('sha256').update(data).digest('hex');
    this.blobs.set(sha256, data);
    return { ...chunk, bytes: data.length, sha256, origin };
  }

  private bytes({ chunks }: NativeMark): Buffer {
    return Buffer.concat(chunks.map(({ sha256 }) => this.blobs.get(sha256)!));
  }

  private newest({ main, versions }: MemoryConversation): Version {
    return versions.findLast(({ branch_id }) => branch_id === main)!;
  }

  private stored(conversation: MemoryConversation, { version, branch_id, files }: Version): StoredConversation {
    const { conversation_id, native_id, started_at } = conversation;
    return { conversation_id, branch_id, version, native_id, started_at, files };
  }
}

function sum(chunks: NativeChunkMark[], field: 'lines' | 'bytes'): number {
  return chunks.reduce((total, chunk) => total + chunk[field], 0);
}
