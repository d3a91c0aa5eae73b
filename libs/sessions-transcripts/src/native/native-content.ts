import { Injectable } from '@nestjs/common';
import { NATIVE_HARNESSES, nativeHarness, toEnvelope, type EnvelopeFormat, type StoredFile } from '@holdfast/harnesses';
import type { SessionNativeContentSelector, SessionNativeManifest } from './dto/session-native-manifest.dto.js';
import { NativeBlobsReader } from './native-blobs.reader.js';
import { MANIFEST_NAME } from './native-names.rules.js';
import { byFile } from './native-part.rules.js';
import type { ChunkRow } from './native-rows.js';
import { ConversationLoadFailed, HarnessMismatch } from './native-transcripts.errors.js';
import {
  toSessionNativeConversation,
  toSessionNativeFiles,
  toSessionNativeVersion,
} from './native-transcripts.mapper.js';
import { NativeTranscriptsReader, type NativeReader, type StoredVersion } from './native-transcripts.reader.js';
import { TAR_END, tarHeader, tarPadding } from './tar-archive.rules.js';

/** How much of a download is known to be whole before its answer begins. */
const READ_BEFORE_BYTES = 4 * 1024 * 1024;

/** A download: what is known of it before its first byte, and its bytes. */
export interface NativeDownload {
  type: string;
  /** Undefined where it is known only at the end. */
  bytes: number | undefined;
  version: number;
  /** What a browser may call it. */
  name: string;
  pieces: AsyncIterable<Buffer | string>;
}

/** The content of versions, as streams that hold little of it at a time. */
@Injectable()
export class NativeContent {
  constructor(
    private readonly reader: NativeTranscriptsReader,
    private readonly blobs: NativeBlobsReader,
  ) {}

  /**
   * Opens a version. What is lost of it fails now where it is missing or among the first 4 MiB; else `pieces` fails, and
   * must be cut off there. Errors: resume_state_missing, harness_mismatch, conversation_load_failed.
   */
  async open(reader: NativeReader, selector: SessionNativeContentSelector): Promise<NativeDownload> {
    const stored = await this.reader.fetchVersion(reader, selector);
    const format = selector.as === 'envelope' ? formatOf(stored.conversation.harness, selector.format) : undefined;
    await this.blobs.requireBlobs(reader.project_id, stored.chunks);
    const { version } = stored.version;
    const name = `${stored.conversation.native_id}-${version}`;
    if (format) {
      const pieces = await begun(this.envelope(stored, format));
      return { type: 'application/json; charset=utf-8', bytes: undefined, version, name: `${name}.json`, pieces };
    }
    // Read and let go, not held: of many readers that stand still it would be held of each.
    await this.blobs.requireContent(reader.project_id, stored.chunks, READ_BEFORE_BYTES);
    const manifest = Buffer.from(JSON.stringify(await this.describe(reader, stored)));
    const pieces = this.tar(stored, manifest);
    return { type: 'application/x-tar', bytes: tarBytes(stored, manifest), version, name: `${name}.tar`, pieces };
  }

  private async describe(reader: NativeReader, stored: StoredVersion): Promise<SessionNativeManifest> {
    const { conversation, branches, version, chunks } = stored;
    const head = await this.reader.isHead(conversation);
    return {
      conversation: toSessionNativeConversation(conversation, branches, head),
      version: toSessionNativeVersion(version),
      files: toSessionNativeFiles(chunks),
    };
  }

  private async *tar({ conversation, version, chunks }: StoredVersion, manifest: Buffer): AsyncGenerator<Buffer> {
    const modified_at = version.created_at;
    yield tarHeader({ name: MANIFEST_NAME, bytes: manifest.length, modified_at });
    yield manifest;
    yield tarPadding(manifest.length);
    for (const [name, own] of byFile(chunks)) {
      const bytes = bytesOf(own);
      yield tarHeader({ name, bytes, modified_at });
      yield* this.blobs.read(conversation.project_id, own);
      yield tarPadding(bytes);
    }
    yield TAR_END;
  }

  private envelope({ conversation, version, chunks }: StoredVersion, format: EnvelopeFormat): AsyncIterable<string> {
    const head = {
      native_id: conversation.native_id,
      started_at: conversation.started_at?.toISOString() ?? null,
      harness_version: conversation.harness_version,
    };
    const marks = new Map(toSessionNativeFiles(chunks).map((file) => [file.name, file]));
    const files = byFile(chunks).map(([name, own]): StoredFile => ({
      mark: marks.get(name)!,
      data: this.blobs.read(conversation.project_id, own),
    }));
    return mended(toEnvelope(nativeHarness(conversation.harness)!, format, head, files), version.version);
  }
}

const bytesOf = (chunks: ChunkRow[]) => chunks.reduce((sum, { bytes }) => sum + bytes, 0);

function tarBytes({ chunks, version }: StoredVersion, manifest: Buffer): number {
  const files = [
    { name: MANIFEST_NAME, bytes: manifest.length },
    ...byFile(chunks).map(([name, own]) => ({ name, bytes: bytesOf(own) })),
  ];
  const modified_at = version.created_at;
  return files.reduce((sum, { name, bytes }) => {
    return sum + tarHeader({ name, bytes, modified_at }).length + bytes + tarPadding(bytes).length;
  }, TAR_END.length);
}

/** Errors: harness_mismatch when conversations of that harness have no envelope of that format. */
function formatOf(name: string, asked: string | undefined): EnvelopeFormat {
  const harness = nativeHarness(name);
  if (!harness) throw HarnessMismatch({ asked: asked ?? 'envelope', stored: name });
  const formats: EnvelopeFormat[] = [harness.envelopeFormat ?? 'native', 'native'];
  const format = asked === undefined ? formats[0] : formats.find((one) => one === asked);
  if (format) return format;
  const other = NATIVE_HARNESSES.find(({ envelopeFormat }) => envelopeFormat === asked);
  throw HarnessMismatch({ asked: other?.name ?? asked!, stored: name });
}

/** Errors of the harness's own code in our words: what was saved cannot be read as what it is said to be. */
async function* mended(pieces: AsyncIterable<string>, version: number): AsyncGenerator<string> {
  try {
    yield* pieces;
  } catch (error) {
    if ((error as { code?: string }).code !== 'conversation_load_failed' || isOurs(error)) throw error;
    throw ConversationLoadFailed({ reason: `Version ${version}: ${(error as Error).message}` }, { cause: error });
  }
}

const isOurs = (error: unknown) => (error as Error).name === 'DomainError';

/** The pieces, of which the first 4 MiB are at hand: what fails among them fails here. */
async function begun<Piece extends Buffer | string>(pieces: AsyncIterable<Piece>): Promise<AsyncIterable<Piece>> {
  const iterator = pieces[Symbol.asyncIterator]();
  const first: Piece[] = [];
  let bytes = 0;
  let ended = false;
  while (bytes < READ_BEFORE_BYTES && !ended) {
    const next = await iterator.next();
    ended = next.done === true;
    if (next.done) break;
    first.push(next.value);
    bytes += next.value.length;
  }
  return resumed(first, ended, iterator);
}

async function* resumed<Piece>(first: Piece[], ended: boolean, rest: AsyncIterator<Piece>): AsyncGenerator<Piece> {
  try {
    for (let piece = first.shift(); piece !== undefined; piece = first.shift()) yield piece;
    while (!ended) {
      const next = await rest.next();
      if (next.done) return;
      yield next.value;
    }
  } finally {
    await rest.return?.();
  }
}
