import { Injectable } from '@nestjs/common';
import { decodeCursor, encodeCursor, RequestInvalid } from '@holdfast/platform-http';
import type { SessionFilter } from '@holdfast/platform-postgres';
import type {
  SessionNativeConversation,
  SessionNativeConversationPage,
  SessionNativeConversationQuery,
  SessionNativeVersionPage,
  SessionNativeVersionQuery,
} from './dto/session-native-conversation.dto.js';
import type { SessionNativeManifest, SessionNativeSelector } from './dto/session-native-manifest.dto.js';
import { NativeConversationsRepository, type ConversationFilter } from './native-conversations.repository.js';
import type { BranchRow, ChunkRow, ConversationRow, VersionRow } from './native-rows.js';
import { HarnessMismatch, ResumeStateMissing } from './native-transcripts.errors.js';
import {
  toSessionNativeConversation,
  toSessionNativeFiles,
  toSessionNativeVersion,
} from './native-transcripts.mapper.js';

const CONVERSATION_CURSOR = { updated_at: 'timestamp', conversation_id: 'uuid' } as const;
const VERSION_CURSOR = { version: 'integer' } as const;

/** Whose transcripts may be read: those of the project, or of one session of it. */
export interface NativeReader {
  project_id: string;
  session_id: string | null;
  /** Which sessions of the project; all where it is absent. */
  isSeen?: SessionFilter;
}

/** A version that was asked for. */
export interface StoredVersion {
  conversation: ConversationRow;
  branches: BranchRow[];
  version: VersionRow;
  /** By file and line. */
  chunks: ChunkRow[];
}

/** Reads what was saved of native transcripts. */
@Injectable()
export class NativeTranscriptsReader {
  constructor(private readonly conversations: NativeConversationsRepository) {}

  /** Errors: cursor_malformed. */
  async queryConversations(
    reader: NativeReader,
    { cursor, limit, ...query }: SessionNativeConversationQuery,
  ): Promise<SessionNativeConversationPage> {
    const after = decodeCursor(cursor, CONVERSATION_CURSOR);
    const filter = filterOf(reader, query);
    if (!filter) return { data: [], next_cursor: null };
    const rows = await this.conversations.list(reader.project_id, filter, after, limit + 1);
    const page = rows.slice(0, limit);
    const last = page.at(-1);
    return {
      data: await this.describe(reader.project_id, page),
      next_cursor:
        last && rows.length > limit
          ? encodeCursor({ updated_at: last.updated_at.toISOString(), conversation_id: last.conversation_id })
          : null,
    };
  }

  /** Errors: resume_state_missing, cursor_malformed. */
  async queryVersions(
    reader: NativeReader,
    { conversation_id, branch_id, cursor, limit }: SessionNativeVersionQuery,
  ): Promise<SessionNativeVersionPage> {
    const before = decodeCursor(cursor, VERSION_CURSOR)?.version;
    await this.find(reader, { conversation_id });
    const { project_id } = reader;
    const rows = await this.conversations.versions(project_id, conversation_id, branch_id ?? null, before, limit + 1);
    const page = rows.slice(0, limit);
    const last = page.at(-1);
    return {
      data: page.map(toSessionNativeVersion),
      next_cursor: last && rows.length > limit ? encodeCursor({ version: last.version }) : null,
    };
  }

  /** Errors: resume_state_missing, harness_mismatch, request_invalid. */
  async fetchManifest(reader: NativeReader, selector: SessionNativeSelector): Promise<SessionNativeManifest> {
    const { conversation, version, chunks } = await this.fetchVersion(reader, selector);
    const [described] = await this.describe(reader.project_id, [conversation]);
    return {
      conversation: described!,
      version: toSessionNativeVersion(version),
      files: toSessionNativeFiles(chunks),
    };
  }

  /** Errors: resume_state_missing, harness_mismatch, request_invalid. */
  async fetchVersion(reader: NativeReader, selector: SessionNativeSelector): Promise<StoredVersion> {
    const conversation = await this.find(reader, selector);
    const { project_id, conversation_id, main_branch_id } = conversation;
    const branches = await this.conversations.branches(project_id, [conversation_id]);
    const branch = branches.find(({ branch_id }) => branch_id === (selector.branch_id ?? main_branch_id));
    if (!branch) throw ResumeStateMissing();
    const version = await this.conversations.version(project_id, conversation_id, selector.version ?? branch.version);
    if (!version || (selector.branch_id && version.branch_id !== selector.branch_id)) throw ResumeStateMissing();
    const chunks = await this.conversations.chunks({ project_id, ...version });
    return { conversation, branches, version, chunks };
  }

  /** The newest conversation that fits. Errors: resume_state_missing, harness_mismatch, request_invalid. */
  private async find(reader: NativeReader, selector: SessionNativeSelector): Promise<ConversationRow> {
    const { session_id, conversation_id, native_id, harness } = selector;
    if (session_id === undefined && conversation_id === undefined && native_id === undefined) {
      const detail = 'session_id, conversation_id or native_id is needed';
      throw RequestInvalid({ errors: [{ pointer: '', detail }] });
    }
    const filter = filterOf(reader, selector);
    if (!filter) throw ResumeStateMissing();
    const [found] = await this.conversations.list(reader.project_id, filter, undefined, 1);
    if (found) return found;
    const [other] = harness
      ? await this.conversations.list(reader.project_id, { ...filter, harness: null }, undefined, 1)
      : [];
    throw other && harness ? HarnessMismatch({ asked: harness, stored: other.harness }) : ResumeStateMissing();
  }

  /** Whether the next turn of its session goes on with it. */
  async isHead({ project_id, session_id, conversation_id }: ConversationRow): Promise<boolean> {
    return (await this.conversations.heads(project_id, [session_id])).has(conversation_id);
  }

  private async describe(project_id: string, rows: ConversationRow[]): Promise<SessionNativeConversation[]> {
    const [branches, heads] = await Promise.all([
      this.conversations.branches(
        project_id,
        rows.map(({ conversation_id }) => conversation_id),
      ),
      this.conversations.heads(project_id, [...new Set(rows.map(({ session_id }) => session_id))]),
    ]);
    return rows.map((row) => {
      const own = branches.filter(({ conversation_id }) => conversation_id === row.conversation_id);
      return toSessionNativeConversation(row, own, heads.has(row.conversation_id));
    });
  }
}

/** What of the query the reader may see; undefined when that is nothing. */
function filterOf(
  reader: NativeReader,
  { session_id, conversation_id, native_id, harness }: SessionNativeSelector,
): ConversationFilter | undefined {
  if (reader.session_id !== null && session_id !== undefined && session_id !== reader.session_id) return undefined;
  return {
    session_id: reader.session_id ?? session_id ?? null,
    conversation_id: conversation_id ?? null,
    native_id: native_id ?? null,
    harness: harness ?? null,
    isSeen: reader.isSeen,
  };
}
