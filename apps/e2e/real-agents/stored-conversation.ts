import { createHash } from 'node:crypto';
import type {
  NativeCapture,
  NativeChange,
  NativeChunk,
  NativeMark,
  NativeOrigin,
  StoredFile,
} from '@holdfast/harnesses';

/** What a server keeps of a conversation's main branch, in memory. */
export class StoredConversation {
  private readonly files = new Map<string, { mark: NativeMark; contents: Buffer[] }>();

  marks(): NativeMark[] {
    return structuredClone([...this.files.values()].map(({ mark }) => mark));
  }

  /** Takes what is new; throws where the place has another past. Returns what each file's news was. */
  async save(capture: NativeCapture, origin: NativeOrigin): Promise<NativeChange['kind'][]> {
    const changes = await capture.changes();
    for (const change of changes) {
      if (change.kind === 'diverged')
        throw new Error(`${change.name} has another past after line ${change.keep_lines}`);
      if (change.kind === 'behind') continue;
      const file = this.files.get(change.name);
      const isAppended = change.kind === 'append' && file !== undefined;
      const chunks = isAppended ? [...file.mark.chunks] : [];
      const contents = isAppended ? [...file.contents] : [];
      for await (const chunk of change.chunks) {
        chunks.push(markOf(chunk, origin));
        contents.push(chunk.data);
      }
      const sum = (field: 'lines' | 'bytes') => chunks.reduce((total, chunk) => total + chunk[field], 0);
      const { name, mode } = change;
      const mark = {
        name,
        mode,
        lines: sum('lines'),
        bytes: sum('bytes'),
        digest: chunks.at(-1)?.digest ?? '',
        chunks,
      };
      this.files.set(name, { mark, contents });
    }
    capture.accepted(this.marks());
    return changes.map(({ kind }) => kind);
  }

  *stored(): Iterable<StoredFile> {
    for (const { mark, contents } of this.files.values()) yield { mark, data: each(contents) };
  }
}

function markOf({ from_line, lines, digest, data }: NativeChunk, origin: NativeOrigin): NativeMark['chunks'][number] {
  const sha256 = createHash('sha256').update(data).digest('hex');
  return { from_line, lines, bytes: data.length, digest, sha256, origin };
}

async function* each(contents: Buffer[]): AsyncIterable<Buffer> {
  yield* contents;
}
