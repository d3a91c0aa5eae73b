import { createHash, randomUUID } from 'node:crypto';
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { openBlobStore, type BlobStore } from '@holdfast/platform-blobs';
import { createDataSource, UnitOfWork } from '@holdfast/platform-postgres';
import { testPostgres } from '@holdfast/testing';
import { NativeBlobsReader } from '../src/native/native-blobs.reader.js';
import { NativeConversationsRepository } from '../src/native/native-conversations.repository.js';
import type { NativePrecondition } from '../src/native/native-precondition.rules.js';
import { NativeSavesRepository } from '../src/native/native-saves.repository.js';
import { NativeSavesService } from '../src/native/native-saves.service.js';
import type { NativeWriter } from '../src/native/native-writer.js';
import type { SessionNativeConversation } from '../src/native/dto/session-native-conversation.dto.js';
import type { SessionNativeSaveOpen } from '../src/native/dto/session-native-save.dto.js';
import { NativeTranscriptsReader } from '../src/native/native-transcripts.reader.js';
import { sessionsTranscriptsPersistence } from '../src/persistence.js';

const ORIGIN = { home: '/home/me', root: '/home/me/.claude', cwd: '/home/me/code' };
const USER: NativeWriter = { kind: 'user', by_id: randomUUID() };

const sha256 = (data: Buffer | string) => createHash('sha256').update(data).digest('hex');
const admitted = async () => undefined;

/** Native transcripts on a PostgreSQL and a folder of their own, with as few connections as a test wants. */
export class NativeWorld {
  readonly project_id = randomUUID();
  readonly reader: NativeTranscriptsReader;

  private constructor(
    readonly unitOfWork: UnitOfWork,
    readonly saves: NativeSavesService,
    readonly savesRows: NativeSavesRepository,
    readonly blobs: BlobStore,
    private readonly folder: string,
    conversations: NativeConversationsRepository,
    readonly close: () => Promise<void>,
  ) {
    this.reader = new NativeTranscriptsReader(conversations);
  }

  static async open(poolSize: number): Promise<NativeWorld> {
    const postgres = await testPostgres([sessionsTranscriptsPersistence]);
    const dataSource = await createDataSource(
      { url: postgres.url, poolSize, applicationName: 'test' },
      [],
    ).initialize();
    const folder = await mkdtemp(path.join(tmpdir(), 'native-'));
    const blobs = await openBlobStore({ url: `file://${folder}`, s3: { region: 'none' }, encryptionKeys: [] });
    const unitOfWork = new UnitOfWork(dataSource);
    const conversations = new NativeConversationsRepository(unitOfWork);
    const rows = new NativeSavesRepository(unitOfWork);
    const limits = { maxConversationBytes: 64 * 1024 * 1024 };
    const saves = new NativeSavesService(unitOfWork, conversations, rows, blobs, limits);
    return new NativeWorld(unitOfWork, saves, rows, blobs, folder, conversations, async () => {
      await dataSource.destroy();
      await postgres.drop();
      await rm(folder, { recursive: true });
    });
  }

  begin(open: Pick<SessionNativeSaveOpen, 'session_id' | 'native_id' | 'branch'>, base: number | null) {
    const precondition: NativePrecondition = base === null ? { create: true } : { create: false, version: base };
    const whole = { harness: 'claude', origin: ORIGIN, ...open };
    const session = { project_id: this.project_id, session_id: open.session_id };
    return this.unitOfWork.run((tx) => this.saves.open(tx, USER, session, whole, precondition));
  }

  /** Lines of main.jsonl; `before` are those that come before them. */
  add(save_id: string, lines: string[], before: string[] = []) {
    const data = Buffer.from(lines.map((line) => `${line}\n`).join(''));
    const digest = digestOf([...before, ...lines]);
    const from_line = before.length + 1;
    const part = { name: 'main.jsonl', mode: 'lines' as const, from_line, lines: lines.length, digest };
    return this.saves.append(this.project_id, USER, save_id, { ...part, sha256: sha256(data) }, data, admitted);
  }

  /** `lines` are all that main.jsonl has then. */
  end(save_id: string, lines: string[]) {
    const file = { name: 'main.jsonl', mode: 'lines' as const, lines: lines.length, digest: digestOf(lines) };
    return this.saves.finish(this.project_id, USER, save_id, { files: [file], save_point: 'push' }, admitted);
  }

  /** A whole save. */
  async save(
    open: Pick<SessionNativeSaveOpen, 'session_id' | 'native_id'>,
    base: number | null,
    lines: string[],
    before: string[] = [],
  ) {
    const { save_id } = await this.begin(open, base);
    await this.add(save_id, lines, before);
    return this.end(save_id, [...before, ...lines]);
  }

  /** Changes the last byte of every blob in the store. */
  async damage(): Promise<void> {
    for await (const { key } of this.blobs.list('')) {
      const file = path.join(this.folder, 'blobs', `${key}+blob`);
      const bytes = await readFile(file);
      bytes[bytes.length - 1]! ^= 1;
      await writeFile(file, bytes);
    }
  }

  /** main.jsonl of the newest version, as a download has it. */
  async content(session_id: string): Promise<string> {
    const { project_id } = this;
    const { chunks } = await this.reader.fetchVersion({ project_id, session_id: null }, { session_id });
    const pieces: Buffer[] = [];
    for await (const piece of new NativeBlobsReader(this.blobs).read(project_id, chunks)) pieces.push(piece);
    return Buffer.concat(pieces).toString();
  }

  /** The conversation that the next turn of a session goes on with. */
  async head(session_id: string): Promise<SessionNativeConversation> {
    const { conversation } = await this.reader.fetchManifest(
      { project_id: this.project_id, session_id: null },
      { session_id },
    );
    return conversation;
  }
}

const digestOf = (lines: string[]) => sha256(lines.map((line) => `${line}\n`).join(''));
