import { createHash, randomUUID } from 'node:crypto';
import { Injectable } from '@nestjs/common';
import { v7 as uuidv7 } from 'uuid';
import { BlobStore } from '@holdfast/platform-blobs';
import { UnitOfWork, type SessionKey, type Transaction } from '@holdfast/platform-postgres';
import type { SessionNativeVersion } from './dto/session-native-conversation.dto.js';
import type { SessionNativeChunk } from './dto/session-native-file.dto.js';
import type {
  SessionNativePart,
  SessionNativeSave,
  SessionNativeSaveFinish,
  SessionNativeSaveOpen,
} from './dto/session-native-save.dto.js';
import { nativeBlobKey } from './native-blob-key.js';
import { NativeConversationsRepository, type VersionKey } from './native-conversations.repository.js';
import { byFile, countLines, endsWithLine, sameFiles, withParts, type FileState } from './native-part.rules.js';
import type { NativePrecondition } from './native-precondition.rules.js';
import type { BranchRow, ConversationRow, Fork, PartRow, SaveRow } from './native-rows.js';
import { NativeSavesRepository } from './native-saves.repository.js';
import { MAX_BRANCHES, MAX_PART_BYTES, MAX_PARTS, NativeTranscriptsConfig } from './native-transcripts.config.js';
import {
  NativePartRefused,
  NativeSaveIncomplete,
  NativeSaveNotFound,
  TranscriptTooLarge,
  TranscriptTooManyParts,
  VersionConflict,
} from './native-transcripts.errors.js';
import { toSessionNativeVersion } from './native-transcripts.mapper.js';
import { requireOwnSave, type NativeWriter } from './native-writer.js';

/** How many branches, the newest, a divergence is compared with: the same one again is one of them. */
const COMPARED_BRANCHES = 50;

/** What keeps whoever saves the one who may, until the commit: the fence of a turn, or that no turn is live. */
export type Admission = (tx: Transaction, save: SessionKey) => Promise<void>;

/** Where a save begins, and what is there. */
interface Base {
  conversation_id: string;
  branch_id: string;
  base_version: number | null;
  fork: Fork | null;
  files: (FileState & { parts: number })[];
}

/**
 * Saves of native transcripts: opened, filled with parts, finished. A part is acknowledged when its blob is durable;
 * nobody sees anything of a save before the one transaction that finishes it, so one that is cut off changes nothing.
 */
@Injectable()
export class NativeSavesService {
  constructor(
    private readonly unitOfWork: UnitOfWork,
    private readonly conversations: NativeConversationsRepository,
    private readonly saves: NativeSavesRepository,
    private readonly blobs: BlobStore,
    private readonly config: NativeTranscriptsConfig,
  ) {}

  /** The session that a save is of; undefined where there is no such save. */
  async sessionOf(project_id: string, save_id: string): Promise<string | undefined> {
    return (await this.saves.find(project_id, save_id))?.session_id;
  }

  /** Begins a save, in the transaction that admits it. Errors: version_conflict, native_part_refused. */
  async open(
    tx: Transaction,
    writer: NativeWriter,
    session: SessionKey,
    open: SessionNativeSaveOpen,
    precondition: NativePrecondition,
  ): Promise<SessionNativeSave> {
    const { files, ...base } = await this.baseOf(tx, session, open, precondition);
    const save_id = uuidv7();
    await this.saves.insert(tx, {
      ...session,
      ...base,
      save_id,
      harness: open.harness,
      native_id: open.native_id,
      harness_version: open.harness_version ?? null,
      started_at: timeOf(open.started_at),
      origin: open.origin,
      turn_id: writer.kind === 'turn' ? writer.turn_id : null,
      epoch: writer.kind === 'turn' ? writer.epoch : null,
      by_id: writer.kind === 'user' ? writer.by_id : null,
      base_bytes: sumOf(files, 'bytes'),
      base_parts: sumOf(files, 'parts'),
    });
    const { conversation_id, branch_id, base_version } = base;
    return { save_id, conversation_id, branch_id, base_version, files: files.map(toFileState) };
  }

  /**
   * Keeps a part: first its blob, then that it is part of the save. Errors: native_save_not_found, native_part_refused,
   * transcript_too_large, transcript_too_many_parts, those of `admit`.
   */
  async append(
    project_id: string,
    writer: NativeWriter,
    save_id: string,
    told: SessionNativePart,
    body: Buffer,
    admit: Admission,
  ): Promise<SessionNativeChunk> {
    const save = requireOwnSave(await this.saves.find(project_id, save_id), save_id, writer);
    const part = partOf(told, body);
    for (;;) {
      await this.unitOfWork.run(async (tx) => {
        await admit(tx, save);
        await this.requireRoom(tx, save, part);
        await this.saves.announceBlob(tx, project_id, part);
      });
      // Also where it should be there already: what got lost or damaged in the store is whole again by this.
      await this.blobs.put(nativeBlobKey(project_id, part.sha256), body, part);
      if (await this.stage(save, part, admit)) return { ...chunkOf(part), origin: save.origin };
    }
  }

  /** False when the blob was swept away between its check and now. */
  private stage(found: SaveRow, part: PartRow, admit: Admission): Promise<boolean> {
    return this.unitOfWork.run(async (tx) => {
      await admit(tx, found);
      const save = await this.requireRoom(tx, found, part);
      if (!(await this.saves.confirmBlob(tx, save.project_id, part.sha256))) return false;
      if (!(await this.isStaged(tx, save, part))) await this.saves.insertPart(tx, save, part);
      return true;
    });
  }

  /** The locked save, when the part may be added to it, or is part of it. */
  private async requireRoom(tx: Transaction, { project_id, save_id }: SaveRow, part: PartRow): Promise<SaveRow> {
    const save = await this.saves.lock(tx, project_id, save_id);
    if (!save) throw NativeSaveNotFound({ save_id });
    if (save.finished_version !== null) throw NativePartRefused({ name: part.name, reason: 'The save is finished.' });
    if (await this.isStaged(tx, save, part)) return save;
    const limit_bytes = this.config.maxConversationBytes;
    if (save.base_bytes + save.staged_bytes + part.bytes > limit_bytes) {
      throw TranscriptTooLarge({ what: 'The files of a conversation, all together,', limit_bytes });
    }
    if (save.base_parts + save.staged_parts >= MAX_PARTS) throw TranscriptTooManyParts({ limit: MAX_PARTS });
    return save;
  }

  private async isStaged(tx: Transaction, save: SaveRow, part: PartRow): Promise<boolean> {
    const staged = await this.saves.part(tx, save, part);
    if (!staged) return false;
    if (staged.sha256 === part.sha256 && staged.digest === part.digest && staged.mode === part.mode) return true;
    throw NativePartRefused({ name: part.name, reason: `Another part of this save begins at line ${part.from_line}.` });
  }

  /**
   * Makes a save a version. Nothing new: the version that there was. Errors: native_save_not_found,
   * native_save_incomplete, version_conflict, transcript_too_large, those of `admit`.
   */
  async finish(
    project_id: string,
    writer: NativeWriter,
    save_id: string,
    finish: SessionNativeSaveFinish,
    admit: Admission,
  ): Promise<SessionNativeVersion> {
    const found = requireOwnSave(await this.saves.find(project_id, save_id), save_id, writer);
    return this.unitOfWork.run((tx) => this.finishWithin(tx, found, finish, admit));
  }

  private async finishWithin(
    tx: Transaction,
    found: SaveRow,
    finish: SessionNativeSaveFinish,
    admit: Admission,
  ): Promise<SessionNativeVersion> {
    const { project_id, save_id } = found;
    // A retry is answered whatever became of the turn since.
    if (found.finished_version !== null) return this.finished(tx, found, found.finished_version);
    await admit(tx, found);
    const save = await this.saves.lock(tx, project_id, save_id);
    if (!save) throw NativeSaveNotFound({ save_id });
    if (save.finished_version !== null) return this.finished(tx, save, save.finished_version);

    const conversation = await this.conversationOf(tx, save);
    const branches = await this.conversations.branches(project_id, [save.conversation_id], tx);
    requireNewest(save, conversation, branches);
    const before = await this.filesOf(tx, save);
    const parts = await this.saves.parts(tx, save);
    const after = filesAfter(before, parts, finish);
    const bytes = sumOf(after, 'bytes');
    const limit_bytes = this.config.maxConversationBytes;
    if (bytes > limit_bytes) {
      throw TranscriptTooLarge({ what: 'The files of a conversation, all together,', limit_bytes });
    }

    const same = await this.branchOfSame(tx, save, after, branches);
    if (same) {
      if (save.fork?.becomes_main) await this.conversations.setMainBranch(tx, save, same.branch_id);
      await this.saves.close(tx, save, same.version);
      return this.finished(tx, save, same.version);
    }
    const version = conversation.newest_version + 1;
    await this.writeBranch(tx, save, version);
    const row = await this.conversations.insertVersion(tx, save, {
      version,
      save_point: finish.save_point,
      bytes,
      added_bytes: sumOf(parts, 'bytes'),
    });
    if (save.fork?.becomes_main) await this.conversations.setMainBranch(tx, save, save.branch_id);
    await this.conversations.moveConversation(tx, save, version, save.branch_id === conversation.main_branch_id);
    await this.saves.finish(tx, save, version);
    return toSessionNativeVersion(row);
  }

  private async finished(tx: Transaction, save: SaveRow, version: number): Promise<SessionNativeVersion> {
    const row = await this.conversations.version(save.project_id, save.conversation_id, version, tx);
    // The session was deleted since the save was found.
    if (!row) throw NativeSaveNotFound({ save_id: save.save_id });
    return toSessionNativeVersion(row);
  }

  /** The locked conversation: made now, by the first version. */
  private async conversationOf(tx: Transaction, save: SaveRow): Promise<ConversationRow> {
    if (save.base_version !== null) {
      const conversation = await this.conversations.lock(tx, save.project_id, save.conversation_id);
      if (!conversation) throw VersionConflict({ current_version: null });
      return conversation;
    }
    const made = await this.conversations.insert(tx, save);
    if (made) return made;
    const other = await this.conversations.byName(tx, save, save);
    throw VersionConflict({ current_version: await this.mainVersion(tx, other) });
  }

  private async mainVersion(tx: Transaction, conversation: ConversationRow | undefined): Promise<number | null> {
    if (!conversation) return null;
    const { project_id, conversation_id, main_branch_id } = conversation;
    const branches = await this.conversations.branches(project_id, [conversation_id], tx);
    return branches.find(({ branch_id }) => branch_id === main_branch_id)?.version ?? null;
  }

  /** What the save is put on top of. */
  private async filesOf(tx: Transaction, save: SaveRow): Promise<FileState[]> {
    if (save.base_version === null) return [];
    return this.conversations.files(tx, await this.baseVersion(tx, save, save.base_version), save.fork);
  }

  /** The version that a save builds on, on the branch that it is part of. */
  private async baseVersion(tx: Transaction, save: SaveRow, version: number): Promise<VersionKey> {
    const { project_id, conversation_id } = save;
    if (!save.fork) return { project_id, conversation_id, branch_id: save.branch_id, version };
    const from = await this.conversations.version(project_id, conversation_id, version, tx);
    return { project_id, conversation_id, branch_id: from!.branch_id, version };
  }

  /** The branch whose newest version has these very files: the one it builds on, or one that diverged alike. */
  private async branchOfSame(
    tx: Transaction,
    save: SaveRow,
    after: FileState[],
    branches: BranchRow[],
  ): Promise<BranchRow | undefined> {
    const candidates = save.fork
      ? branches.slice(0, COMPARED_BRANCHES)
      : branches.filter(({ branch_id }) => branch_id === save.branch_id);
    const { project_id } = save;
    for (const branch of candidates) {
      if (sameFiles(await this.conversations.files(tx, { project_id, ...branch }, null), after)) return branch;
    }
    return undefined;
  }

  private async writeBranch(tx: Transaction, save: SaveRow, version: number): Promise<void> {
    const to = { ...save, version };
    if (save.fork) {
      await this.conversations.copyChunks(tx, await this.baseVersion(tx, save, save.fork.from_version), save, to);
    }
    await this.conversations.adoptParts(tx, save, to);
    if (save.fork || save.base_version === null) {
      await this.conversations.insertBranch(tx, to, save.fork?.from_version ?? null);
    } else {
      await this.conversations.moveBranch(tx, to);
    }
  }

  private async baseOf(
    tx: Transaction,
    session: SessionKey,
    open: SessionNativeSaveOpen,
    precondition: NativePrecondition,
  ): Promise<Base> {
    const conversation = await this.conversations.byName(tx, session, open);
    if (precondition.create) {
      if (conversation) throw VersionConflict({ current_version: await this.mainVersion(tx, conversation) });
      if (open.branch || open.branch_id) throw VersionConflict({ current_version: null });
      return { conversation_id: uuidv7(), branch_id: randomUUID(), base_version: null, fork: null, files: [] };
    }
    if (!conversation) throw VersionConflict({ current_version: null });
    return open.branch
      ? this.forkOf(tx, conversation, open.branch, precondition.version)
      : this.nextOf(tx, conversation, open.branch_id ?? conversation.main_branch_id, precondition.version);
  }

  private async nextOf(
    tx: Transaction,
    { project_id, conversation_id }: ConversationRow,
    branch_id: string,
    version: number,
  ): Promise<Base> {
    const branches = await this.conversations.branches(project_id, [conversation_id], tx);
    const branch = branches.find((one) => one.branch_id === branch_id);
    if (branch?.version !== version) throw VersionConflict({ current_version: branch?.version ?? null });
    const files = await this.conversations.files(tx, { project_id, conversation_id, branch_id, version }, null);
    return { conversation_id, branch_id, base_version: version, fork: null, files };
  }

  /** A branch goes off from a version that does not change any more; If-Match names that one. */
  private async forkOf(
    tx: Transaction,
    { project_id, conversation_id }: ConversationRow,
    fork: Fork,
    version: number,
  ): Promise<Base> {
    const from = await this.conversations.version(project_id, conversation_id, fork.from_version, tx);
    if (!from || from.version !== version) throw VersionConflict({ current_version: from?.version ?? null });
    const branches = await this.conversations.branches(project_id, [conversation_id], tx);
    if (branches.length >= MAX_BRANCHES) {
      const reason = `The conversation has ${MAX_BRANCHES} branches. Begin a new conversation.`;
      throw NativePartRefused({ name: fork.keep[0]?.name ?? '', reason });
    }
    const { branch_id } = from;
    const files = await this.conversations.files(tx, { project_id, conversation_id, branch_id, version }, fork);
    const named = new Set<string>();
    for (const { name, lines } of fork.keep) {
      if (named.has(name)) throw NativePartRefused({ name, reason: '"keep" names it twice.' });
      named.add(name);
      const file = files.find((one) => one.name === name);
      if ((file?.lines ?? 0) !== lines || file?.mode === 'whole') {
        throw NativePartRefused({ name, reason: `No chunk of version ${version} ends at line ${lines}.` });
      }
    }
    return { conversation_id, branch_id: randomUUID(), base_version: version, fork, files };
  }
}

/** Throws native_part_refused when the body is not what is told of it, transcript_too_large. */
function partOf(told: SessionNativePart, body: Buffer): PartRow {
  const { name, mode, from_line, lines, digest, sha256 } = told;
  const refuse = (reason: string) => NativePartRefused({ name, reason });
  if (body.length > MAX_PART_BYTES) throw TranscriptTooLarge({ what: 'A part', limit_bytes: MAX_PART_BYTES });
  const actual = createHash('sha256').update(body).digest('hex');
  if (actual !== sha256) throw refuse(`The body's sha256 is ${actual}, not ${sha256}. Send it again.`);
  if (mode === 'lines' && !endsWithLine(body)) throw refuse('The body has to end with a line\'s end, "\\n".');
  const actualLines = mode === 'lines' ? countLines(body) : 1;
  if (actualLines !== lines) throw refuse(`The body has ${actualLines} lines, not ${lines}.`);
  return { name, mode, from_line, lines, bytes: body.length, digest, sha256 };
}

/** ISO 8601 has times that are none: leap seconds, a 30th of February. */
function timeOf(text: string | undefined): Date | null {
  const time = new Date(text ?? NaN);
  return Number.isNaN(time.getTime()) ? null : time;
}

const chunkOf = ({ from_line, lines, bytes, digest, sha256 }: PartRow) => ({ from_line, lines, bytes, digest, sha256 });

const toFileState = ({ name, mode, lines, digest }: FileState) => ({ name, mode, lines, digest });

function sumOf<Name extends string>(rows: Record<Name, number>[], name: Name): number {
  return rows.reduce((sum, row) => sum + row[name], 0);
}

/** Throws version_conflict when the branch has moved on since the save was opened. */
function requireNewest(save: SaveRow, { main_branch_id }: ConversationRow, branches: BranchRow[]): void {
  if (save.base_version === null || (save.fork && !save.fork.becomes_main)) return;
  const goesOn = save.fork ? main_branch_id : save.branch_id;
  const branch = branches.find(({ branch_id }) => branch_id === goesOn);
  if (branch?.version !== save.base_version) throw VersionConflict({ current_version: branch?.version ?? null });
}

/** All files as the save leaves them. Throws native_save_incomplete when that is not what whoever saves believes. */
function filesAfter(before: FileState[], parts: PartRow[], { files: told }: SessionNativeSaveFinish): FileState[] {
  const after = new Map(before.map((file) => [file.name, file]));
  for (const [name, own] of byFile(parts)) {
    if (!told.some((file) => file.name === name)) {
      throw NativeSaveIncomplete({ name, reason: 'It has parts, and "files" does not say what it is.' });
    }
    const file = withParts(after.get(name), { name, mode: own[0]!.mode, parts: own });
    if ('reason' in file) throw NativeSaveIncomplete({ name, reason: file.reason });
    after.set(name, file);
  }
  for (const { name, mode, lines, digest } of told) {
    const file = after.get(name);
    if (file?.mode !== mode || file.lines !== lines || file.digest !== digest) {
      const has = file ? `${file.lines} lines and the digest ${file.digest}` : 'no lines';
      throw NativeSaveIncomplete({ name, reason: `It has ${has}, not ${lines} and ${digest}.` });
    }
  }
  if (after.size === 0) throw NativeSaveIncomplete({ name: '', reason: 'A first version needs a file.' });
  return [...after.values()];
}
