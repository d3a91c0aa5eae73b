import { Injectable } from '@nestjs/common';
import { bindTo, UnitOfWork, type SessionFilter, type SessionKey, type Transaction } from '@holdfast/platform-postgres';
import type { FileState } from './native-part.rules.js';
import type { BranchRow, ChunkRow, ConversationRow, Fork, SaveRow, VersionRow } from './native-rows.js';

/** What runs a read: a transaction, or none. */
type Reads = Pick<Transaction, 'query' | 'queryOne'>;

/** Which conversations are meant; null leaves a part open. */
export interface ConversationFilter {
  session_id: string | null;
  conversation_id: string | null;
  native_id: string | null;
  harness: string | null;
  /** Of which sessions; all where it is absent. */
  isSeen?: SessionFilter;
}

/** A version of a branch. */
export interface VersionKey {
  project_id: string;
  conversation_id: string;
  branch_id: string;
  version: number;
}

const IN_VERSION = `project_id = $1 AND conversation_id = $2 AND branch_id = $3
  AND added_version <= $4 AND (removed_version IS NULL OR removed_version > $4)`;

const keyOf = ({ project_id, conversation_id, branch_id, version }: VersionKey) => [
  project_id,
  conversation_id,
  branch_id,
  version,
];

/** Lines of each file that a fork keeps, as the parameters of the arrays $5 and $6. */
const kept = (fork: Fork | null) => [
  fork?.keep.map(({ name }) => name) ?? [],
  fork?.keep.map(({ lines }) => lines) ?? [],
];
const KEPT_LINES = `unnest($5::text[], $6::bigint[]) AS keep(name, lines)`;

/** Now, and after all others of the session, wherever the database's clock was set: the next turn goes on with it. */
const AS_HEAD = `greatest(now(), (
  SELECT max(other.updated_at) + interval '1 millisecond' FROM native_conversations other
   WHERE other.project_id = native_conversations.project_id AND other.session_id = native_conversations.session_id))`;

/** The SQL of conversations, their branches, versions and chunks. */
@Injectable()
export class NativeConversationsRepository {
  constructor(private readonly unitOfWork: UnitOfWork) {}

  /** The conversation of that name, whoever else is at work on it. */
  byName(
    tx: Transaction,
    { project_id, session_id }: SessionKey,
    { harness, native_id }: { harness: string; native_id: string },
  ): Promise<ConversationRow | undefined> {
    return tx.queryOne<ConversationRow>(
      `SELECT * FROM native_conversations WHERE project_id = $1 AND session_id = $2 AND harness = $3 AND native_id = $4`,
      [project_id, session_id, harness, native_id],
    );
  }

  /** The conversation, so that nobody else makes a version of it before the commit. */
  lock(tx: Transaction, project_id: string, conversation_id: string): Promise<ConversationRow | undefined> {
    return tx.queryOne<ConversationRow>(
      `SELECT * FROM native_conversations WHERE project_id = $1 AND conversation_id = $2 FOR UPDATE`,
      [project_id, conversation_id],
    );
  }

  /** Makes the conversation of a save, without a version. Undefined when somebody else made one of that name. */
  insert(tx: Transaction, save: SaveRow): Promise<ConversationRow | undefined> {
    return tx.queryOne<ConversationRow>(
      `INSERT INTO native_conversations (project_id, conversation_id, session_id, harness, native_id, harness_version,
                                         started_at, main_branch_id, newest_version, created_by_id)
       VALUES ($1, $2, $3, $4, $5, $6, $7, $8, 0, $9)
           ON CONFLICT ON CONSTRAINT native_conversations_name DO NOTHING RETURNING *`,
      [
        save.project_id,
        save.conversation_id,
        save.session_id,
        save.harness,
        save.native_id,
        save.harness_version,
        save.started_at,
        save.branch_id,
        save.by_id,
      ],
    );
  }

  /** Newest first; after the row of `after` when given. */
  list(
    project_id: string,
    filter: ConversationFilter,
    after: { updated_at: string; conversation_id: string } | undefined,
    limit: number,
  ): Promise<ConversationRow[]> {
    const { isSeen = () => 'true' } = filter;
    const values: unknown[] = [
      project_id,
      filter.session_id,
      filter.conversation_id,
      filter.native_id,
      filter.harness,
      after?.updated_at ?? null,
      after?.conversation_id ?? null,
      limit,
    ];
    return this.unitOfWork.query<ConversationRow>(
      `SELECT * FROM native_conversations
        WHERE project_id = $1 AND ($2::text IS NULL OR session_id = $2) AND ($3::uuid IS NULL OR conversation_id = $3)
          AND ($4::text IS NULL OR native_id = $4) AND ($5::text IS NULL OR harness = $5)
          AND ($6::timestamptz IS NULL OR (updated_at, conversation_id) < ($6, $7::uuid))
          AND ${isSeen('native_conversations.session_id', bindTo(values))}
        ORDER BY updated_at DESC, conversation_id DESC LIMIT $8`,
      values,
    );
  }

  /** The newest conversation of each of the sessions. */
  async heads(project_id: string, session_ids: string[]): Promise<Set<string>> {
    const rows = await this.unitOfWork.query<{ conversation_id: string }>(
      `SELECT head.conversation_id FROM unnest($2::text[]) AS session(session_id)
        CROSS JOIN LATERAL (
          SELECT conversation_id FROM native_conversations
           WHERE project_id = $1 AND session_id = session.session_id
           ORDER BY updated_at DESC, conversation_id DESC LIMIT 1) head`,
      [project_id, session_ids],
    );
    return new Set(rows.map(({ conversation_id }) => conversation_id));
  }

  /** Of all the conversations, the newest first. */
  branches(project_id: string, conversation_ids: string[], reads: Reads = this.unitOfWork): Promise<BranchRow[]> {
    return reads.query<BranchRow>(
      `SELECT * FROM native_branches WHERE project_id = $1 AND conversation_id = ANY($2) ORDER BY version DESC`,
      [project_id, conversation_ids],
    );
  }

  version(
    project_id: string,
    conversation_id: string,
    version: number,
    reads: Reads = this.unitOfWork,
  ): Promise<VersionRow | undefined> {
    return reads.queryOne<VersionRow>(
      `SELECT * FROM native_versions WHERE project_id = $1 AND conversation_id = $2 AND version = $3`,
      [project_id, conversation_id, version],
    );
  }

  /** Newest first, below `before` when given. */
  versions(
    project_id: string,
    conversation_id: string,
    branch_id: string | null,
    before: number | undefined,
    limit: number,
  ): Promise<VersionRow[]> {
    return this.unitOfWork.query<VersionRow>(
      `SELECT * FROM native_versions
        WHERE project_id = $1 AND conversation_id = $2 AND ($3::uuid IS NULL OR branch_id = $3)
          AND version < coalesce($4, 2147483647)
        ORDER BY version DESC LIMIT $5`,
      [project_id, conversation_id, branch_id, before ?? null, limit],
    );
  }

  /** What a version is made of, by file and line. */
  chunks(version: VersionKey): Promise<ChunkRow[]> {
    return this.unitOfWork.query<ChunkRow>(
      `SELECT name, mode, from_line, lines, bytes, digest, sha256, origin FROM native_chunks
        WHERE ${IN_VERSION} ORDER BY name COLLATE "C", from_line`,
      keyOf(version),
    );
  }

  /** The files of a version, or what a fork keeps of them, and of how many chunks each is made. */
  files(tx: Transaction, version: VersionKey, fork: Fork | null): Promise<(FileState & { parts: number })[]> {
    return tx.query<FileState & { parts: number }>(
      `SELECT name, mode, sum(chunk.lines)::bigint AS lines, sum(bytes)::bigint AS bytes, count(*)::int AS parts,
              (array_agg(digest ORDER BY from_line DESC))[1] AS digest
         FROM native_chunks chunk LEFT JOIN ${KEPT_LINES} USING (name)
        WHERE ${IN_VERSION} AND (keep.lines IS NULL OR from_line <= keep.lines)
        GROUP BY name, mode ORDER BY name`,
      [...keyOf(version), ...kept(fork)],
    );
  }

  /** Gives a new branch what its save keeps of a version, as added by the version that begins it. */
  async copyChunks(tx: Transaction, from: VersionKey, save: SaveRow, to: VersionKey): Promise<void> {
    await tx.query(
      `INSERT INTO native_chunks (project_id, conversation_id, branch_id, name, mode, from_line, lines, bytes, digest,
                                  sha256, origin, added_version)
       SELECT project_id, conversation_id, $7, name, mode, from_line, chunk.lines, bytes, digest, sha256, origin, $8
         FROM native_chunks chunk LEFT JOIN ${KEPT_LINES} USING (name)
        WHERE ${IN_VERSION} AND (keep.lines IS NULL OR from_line <= keep.lines)
          AND NOT (mode = 'whole' AND EXISTS (
                SELECT FROM native_save_parts part
                 WHERE part.project_id = $1 AND part.save_id = $9 AND part.name = chunk.name))`,
      [...keyOf(from), ...kept(save.fork), to.branch_id, to.version, save.save_id],
    );
  }

  /** Makes the parts of a save chunks of a version; those that they replace stay in the versions before. */
  async adoptParts(tx: Transaction, save: SaveRow, to: VersionKey): Promise<void> {
    await tx.query(
      `UPDATE native_chunks SET removed_version = $4
        WHERE project_id = $1 AND conversation_id = $2 AND branch_id = $3 AND mode = 'whole' AND removed_version IS NULL
          AND name IN (SELECT name FROM native_save_parts WHERE project_id = $1 AND save_id = $5)`,
      [...keyOf(to), save.save_id],
    );
    await tx.query(
      `INSERT INTO native_chunks (project_id, conversation_id, branch_id, name, mode, from_line, lines, bytes, digest,
                                  sha256, origin, added_version)
       SELECT project_id, $2, $3, name, mode, from_line, lines, bytes, digest, sha256, $6, $4
         FROM native_save_parts WHERE project_id = $1 AND save_id = $5`,
      [...keyOf(to), save.save_id, JSON.stringify(save.origin)],
    );
  }

  async insertBranch(
    tx: Transaction,
    { project_id, conversation_id, branch_id, version }: VersionKey,
    from_version: number | null,
  ): Promise<void> {
    await tx.query(
      `INSERT INTO native_branches (project_id, conversation_id, branch_id, from_version, version)
       VALUES ($1, $2, $3, $4, $5)`,
      [project_id, conversation_id, branch_id, from_version, version],
    );
  }

  async moveBranch(tx: Transaction, { project_id, conversation_id, branch_id, version }: VersionKey): Promise<void> {
    await tx.query(
      `UPDATE native_branches SET version = $4, updated_at = now()
        WHERE project_id = $1 AND conversation_id = $2 AND branch_id = $3`,
      [project_id, conversation_id, branch_id, version],
    );
  }

  /** Lets turns go on with another branch. */
  async setMainBranch(tx: Transaction, { project_id, conversation_id }: SaveRow, branch_id: string): Promise<void> {
    await tx.query(
      `UPDATE native_conversations SET main_branch_id = $3, updated_at = ${AS_HEAD}
        WHERE project_id = $1 AND conversation_id = $2`,
      [project_id, conversation_id, branch_id],
    );
  }

  /** The conversation's newest version; one of the main branch makes it the head of its session. */
  async moveConversation(tx: Transaction, save: SaveRow, version: number, isMain: boolean): Promise<void> {
    await tx.query(
      `UPDATE native_conversations
          SET newest_version = $3, harness_version = coalesce($4, harness_version),
              started_at = coalesce(started_at, $5), updated_at = CASE WHEN $6 THEN ${AS_HEAD} ELSE updated_at END
        WHERE project_id = $1 AND conversation_id = $2`,
      [save.project_id, save.conversation_id, version, save.harness_version, save.started_at, isMain],
    );
  }

  async insertVersion(
    tx: Transaction,
    save: SaveRow,
    version: Pick<VersionRow, 'version' | 'save_point' | 'bytes' | 'added_bytes'>,
  ): Promise<VersionRow> {
    const row = await tx.queryOne<VersionRow>(
      `INSERT INTO native_versions (project_id, conversation_id, version, branch_id, parent_version, save_point, turn_id,
                                    bytes, added_bytes, created_by_id)
       VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10) RETURNING *`,
      [
        save.project_id,
        save.conversation_id,
        version.version,
        save.branch_id,
        save.base_version,
        version.save_point,
        save.turn_id,
        version.bytes,
        version.added_bytes,
        save.by_id,
      ],
    );
    return row!;
  }
}
