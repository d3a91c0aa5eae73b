import { Injectable } from '@nestjs/common';
import {
  notPrivateToOthers,
  type MintedShareToken,
  type ShareEndReason,
  type ShareTokenKind,
} from '@holdfast/platform-auth';
import { bindTo, UnitOfWork, type SessionFilter, type SessionKey, type Transaction } from '@holdfast/platform-postgres';
import type { LinkHost, ShareLink } from './share-chain.rules.js';
import type { ShareRow } from './share.row.js';

/** What runs a statement: a transaction, or the unit of work outside of any. */
type Database = Pick<UnitOfWork, 'query' | 'queryOne'>;

const HOST_SESSION = 'COALESCE(s.session_id, host.session_id)';

/** Shares with their hosts: a session with its task, or a task with the session that it has now. */
const SHARES = `
  SELECT s.project_id, s.share_id, s.session_id, s.task_id, s.scope, s.role, s.token_prefix, s.name, s.source_type,
         s.ambient_task_id, s.source_task_id, s.origin, s.parent_share_id, s.expires_at, s.ended_at, s.end_reason,
         s.created_at, s.created_by_id, s.updated_at,
         ${HOST_SESSION} AS host_session_id, COALESCE(s.task_id, own.task_id) AS host_task_id,
         COALESCE(host.ancestor_ids, own.ancestor_ids) AS host_ancestor_ids,
         COALESCE(s.expires_at <= now(), false) AS is_overdue
    FROM shares s
    LEFT JOIN tasks host ON host.project_id = s.project_id AND host.task_id = s.task_id
    LEFT JOIN tasks own ON own.project_id = s.project_id AND own.session_id = s.session_id`;

const LIVE = `s.ended_at IS NULL AND (s.expires_at IS NULL OR s.expires_at > now())`;

/** Those of a session that is deleted are for whoever holds their links, and not of another session under its id. */
const NOT_OF_DELETED = `(s.session_id IS NULL OR s.end_reason IS DISTINCT FROM 'deleted')`;

/** A share through which somebody acts, and those that it was made through, in that order. */
export interface HeldShare extends ShareLink, LinkHost, Pick<ShareRow, 'project_id' | 'share_id' | 'created_by_id'> {
  participant_id: string | null;
  /** The key to which the session of the host is private. */
  host_owner_id: string | null;
}

/** Longer chains are not made. */
export const MAX_CHAIN = 8;

/** SQL: a participant's own role counts where it is more than that of the share. */
export const HIGHER_ROLE = (own: string, shared: string) =>
  `CASE WHEN ${own} IS NULL OR ${shared} = 'full' OR (${shared} = 'executor' AND ${own} = 'reader')
        THEN ${shared} ELSE ${own} END`;

/** What begins a chain, with the role of whoever holds it. */
const chainFrom = (held: string) => `
  WITH RECURSIVE held AS (${held}), chain AS (
    SELECT s.project_id, s.share_id, h.participant_id, ${HIGHER_ROLE('h.role', 's.role')} AS role, h.is_cut_off, 0 AS depth
      FROM held h JOIN shares s ON s.project_id = h.project_id AND s.share_id = h.share_id
    UNION ALL
    SELECT s.project_id, s.share_id, NULL, ${HIGHER_ROLE('maker.role', 's.role')}, COALESCE(maker.left_reason = 'rotated', false),
           chain.depth + 1
      FROM chain
      JOIN shares made ON made.project_id = chain.project_id AND made.share_id = chain.share_id
      JOIN shares s ON s.project_id = made.project_id AND s.share_id = made.parent_share_id
      LEFT JOIN share_participants maker
        ON maker.project_id = made.project_id AND maker.participant_id = made.created_by_id
  )
  SELECT chain.project_id, chain.share_id, chain.participant_id, chain.role, chain.is_cut_off, share.scope, share.ended_at,
         share.end_reason, share.is_overdue, share.created_by_id, share.host_session_id, share.host_task_id,
         share.host_ancestor_ids,
         (SELECT owner_id FROM private_sessions private
           WHERE private.project_id = share.project_id AND private.session_id = share.host_session_id) AS host_owner_id
    FROM chain JOIN (${SHARES}) share ON share.project_id = chain.project_id AND share.share_id = chain.share_id
   ORDER BY chain.depth`;

const BY_TOKEN: Record<ShareTokenKind, string> = {
  share: chainFrom(`
    SELECT project_id, share_id, NULL::uuid AS participant_id, NULL::text AS role, false AS is_cut_off
      FROM shares WHERE token_hash = $1`),
  view: chainFrom(`
    SELECT project_id, share_id, participant_id, role, COALESCE(left_reason = 'rotated', false) AS is_cut_off
      FROM share_participants WHERE token_hash = $1 AND share_id IS NOT NULL`),
};

/** By who acts: a participant, or the share itself. */
const BY_HOLDER = chainFrom(`
  SELECT project_id, share_id, participant_id, role, COALESCE(left_reason = 'rotated', false) AS is_cut_off
    FROM share_participants WHERE project_id = $1 AND participant_id = $2 AND share_id IS NOT NULL
  UNION ALL
  SELECT project_id, share_id, NULL, NULL, false FROM shares WHERE project_id = $1 AND share_id = $2`);

/** The rows of shares. */
@Injectable()
export class SharesRepository {
  constructor(private readonly unitOfWork: UnitOfWork) {}

  async insert(
    tx: Transaction,
    share: Pick<
      ShareRow,
      | 'project_id'
      | 'share_id'
      | 'session_id'
      | 'task_id'
      | 'scope'
      | 'role'
      | 'name'
      | 'source_type'
      | 'ambient_task_id'
      | 'source_task_id'
      | 'parent_share_id'
      | 'created_by_id'
    > & { expires_at: string | null; expires_in_seconds: number | null },
    token: MintedShareToken,
  ): Promise<ShareRow> {
    await tx.query(
      `INSERT INTO shares (project_id, share_id, session_id, task_id, scope, role, name, source_type, ambient_task_id,
                           source_task_id, origin, parent_share_id, created_by_id, updated_by_id, token_hash,
                           token_prefix, expires_at)
       VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, 'explicit', $11, $12, $12, $13, $14,
               COALESCE($15::timestamptz, now() + make_interval(secs => $16)))`,
      [
        share.project_id,
        share.share_id,
        share.session_id,
        share.task_id,
        share.scope,
        share.role,
        share.name,
        share.source_type,
        share.ambient_task_id,
        share.source_task_id,
        share.parent_share_id,
        share.created_by_id,
        token.hash,
        token.prefix,
        share.expires_at,
        share.expires_in_seconds,
      ],
    );
    return (await this.find(tx, share))!;
  }

  /** The share that a task makes of itself, unless it has; undefined then. It has no token until it is given one. */
  async insertAutomatic(
    tx: Transaction,
    { project_id, share_id, task_id }: { project_id: string; share_id: string; task_id: string },
  ): Promise<ShareRow | undefined> {
    const made = await tx.queryOne(
      `INSERT INTO shares (project_id, share_id, task_id, scope, role, source_type, ambient_task_id, source_task_id, origin)
       VALUES ($1, $2, $3, 'session', 'reader', 'ambient_agent', $3, $3, 'automatic')
       ON CONFLICT (project_id, task_id) WHERE origin = 'automatic' DO NOTHING RETURNING share_id`,
      [project_id, share_id, task_id],
    );
    return made && this.find(tx, { project_id, share_id });
  }

  find(
    database: Database,
    { project_id, share_id }: Pick<ShareRow, 'project_id' | 'share_id'>,
  ): Promise<ShareRow | undefined> {
    return database.queryOne<ShareRow>(`${SHARES} WHERE s.project_id = $1 AND s.share_id = $2`, [project_id, share_id]);
  }

  /** Like `find`, with the row locked until the commit. */
  async lock(
    tx: Transaction,
    { project_id, share_id }: Pick<ShareRow, 'project_id' | 'share_id'>,
    strength: 'UPDATE' | 'SHARE' = 'UPDATE',
  ): Promise<ShareRow | undefined> {
    await tx.query(`SELECT FROM shares WHERE project_id = $1 AND share_id = $2 FOR ${strength}`, [
      project_id,
      share_id,
    ]);
    return this.find(tx, { project_id, share_id });
  }

  /** Newest first; of one host where it is given, and of those made through `parent_share_id`, at any remove. */
  list(
    project_id: string,
    query: { session_id?: string; task_id?: string; include_ended: boolean; made_through?: string },
    isSeen: SessionFilter | undefined,
    after: { created_at: string; share_id: string } | undefined,
    limit: number,
  ): Promise<ShareRow[]> {
    const values: unknown[] = [project_id];
    const bind = bindTo(values);
    const conditions = [`s.project_id = $1`, NOT_OF_DELETED];
    if (isSeen) conditions.push(`(${HOST_SESSION} IS NULL OR ${isSeen(HOST_SESSION, bind)})`);
    if (!query.include_ended) conditions.push(LIVE);
    if (query.session_id !== undefined) conditions.push(hostIsSession(bind(query.session_id)));
    if (query.task_id !== undefined) conditions.push(hostIsTask(bind(query.task_id)));
    if (query.made_through !== undefined) conditions.push(`s.share_id IN (${madeThrough(bind(query.made_through))})`);
    if (after) conditions.push(`(s.created_at, s.share_id) < (${bind(after.created_at)}, ${bind(after.share_id)})`);
    return this.unitOfWork.query<ShareRow>(
      `${SHARES} WHERE ${conditions.join(' AND ')} ORDER BY s.created_at DESC, s.share_id DESC LIMIT ${bind(limit)}`,
      values,
    );
  }

  async hasSession({ project_id, session_id }: SessionKey): Promise<boolean> {
    const row = await this.unitOfWork.queryOne(
      `SELECT 1 FROM session_fences WHERE project_id = $1 AND session_id = $2 AND NOT is_deleted`,
      [project_id, session_id],
    );
    return row !== undefined;
  }

  /** Live shares through which a session is open, newest first. */
  openings(
    { project_id, session_id }: SessionKey,
    after: { created_at: string; share_id: string } | undefined,
    limit: number,
  ): Promise<ShareRow[]> {
    return this.unitOfWork.query<ShareRow>(
      `${SHARES} WHERE s.project_id = $1 AND ${LIVE}
         AND (${hostIsSession('$2')} OR (s.scope = 'tree' AND ${hostIsAbove('$2')}))
         AND ${notPrivateToOthers('$1', '$2', MAKER)}
         AND ($3::timestamptz IS NULL OR (s.created_at, s.share_id) < ($3, $4::uuid))
       ORDER BY s.created_at DESC, s.share_id DESC LIMIT $5`,
      [project_id, session_id, after?.created_at ?? null, after?.share_id ?? null, limit],
    );
  }

  /** Whether a live share of the session opens its tree. */
  async isTreeHost(tx: Transaction, { project_id, session_id }: SessionKey): Promise<boolean> {
    const row = await tx.queryOne(
      `SELECT 1 FROM shares s WHERE s.project_id = $1 AND s.session_id = $2 AND s.scope = 'tree' AND ${LIVE} LIMIT 1`,
      [project_id, session_id],
    );
    return row !== undefined;
  }

  /** Those that were made through a share, at any remove. */
  async madeThrough(tx: Transaction, project_id: string, share_id: string): Promise<string[]> {
    const rows = await tx.query<{ share_id: string }>(madeThrough('$2'), [project_id, share_id]);
    return rows.map((row) => row.share_id);
  }

  async isMadeThrough(database: Database, project_id: string, share_id: string, by: string): Promise<boolean> {
    const row = await database.queryOne(`SELECT 1 WHERE $2::uuid IN (${madeThrough('$3')})`, [
      project_id,
      share_id,
      by,
    ]);
    return row !== undefined;
  }

  async edit(
    tx: Transaction,
    row: Pick<ShareRow, 'project_id' | 'share_id'>,
    { role, name, expires_at }: { role?: string; name?: string | null; expires_at?: string | null },
    by_id: string,
  ): Promise<ShareRow> {
    await tx.query(
      `UPDATE shares SET role = COALESCE($3, role), name = CASE WHEN $4 THEN $5 ELSE name END,
              expires_at = CASE WHEN $6 THEN $7::timestamptz ELSE expires_at END, updated_at = now(), updated_by_id = $8
        WHERE project_id = $1 AND share_id = $2`,
      [
        row.project_id,
        row.share_id,
        role ?? null,
        name !== undefined,
        name ?? null,
        expires_at !== undefined,
        expires_at ?? null,
        by_id,
      ],
    );
    return (await this.find(tx, row))!;
  }

  /** Another token; whoever joined with the old one is cut off. */
  async rotate(
    tx: Transaction,
    row: Pick<ShareRow, 'project_id' | 'share_id'>,
    { hash, prefix }: MintedShareToken,
    by_id: string,
  ): Promise<ShareRow> {
    const { project_id, share_id } = row;
    await tx.query(
      `UPDATE shares SET token_hash = $3, token_prefix = $4, updated_at = now(), updated_by_id = $5
        WHERE project_id = $1 AND share_id = $2`,
      [project_id, share_id, hash, prefix, by_id],
    );
    await tx.query(
      `UPDATE share_participants
          SET token_hash = NULL, session_id = NULL, left_at = COALESCE(left_at, now()), left_reason = 'rotated'
        WHERE project_id = $1 AND share_id = $2 AND left_reason IS DISTINCT FROM 'rotated'`,
      [project_id, share_id],
    );
    return (await this.find(tx, row))!;
  }

  /** Ends a share and all that were made through it. Of one whose time was over, that is the reason. */
  end(tx: Transaction, project_id: string, share_id: string, reason: ShareEndReason, by_id: string | null) {
    return this.endThose(tx, `s.project_id = $1 AND s.share_id = $4`, [project_id, reason, by_id, share_id]);
  }

  /** Ends those that were made through a share, and not itself. */
  endMadeThrough(tx: Transaction, project_id: string, share_id: string, reason: ShareEndReason, by_id: string | null) {
    return this.endThose(tx, `s.project_id = $1 AND s.parent_share_id = $4`, [project_id, reason, by_id, share_id]);
  }

  /** Ends those whose host is the session, and all that were made through them. */
  endOfHost(tx: Transaction, { project_id, session_id }: SessionKey, reason: ShareEndReason, by_id: string | null) {
    const those = `s.project_id = $1 AND ${hostIsSession('$4')}`;
    return this.endThose(tx, those, [project_id, reason, by_id, session_id]);
  }

  /** Shares whose time is over, and nobody has noted it. */
  overdue(limit: number): Promise<Pick<ShareRow, 'project_id' | 'share_id'>[]> {
    return this.unitOfWork.query(
      `SELECT project_id, share_id FROM shares WHERE ended_at IS NULL AND expires_at <= now() ORDER BY expires_at LIMIT $1`,
      [limit],
    );
  }

  /** Of a user's shares of a session that had no task: once. */
  async stampSource(tx: Transaction, { project_id, session_id }: SessionKey, task_id: string): Promise<ShareRow[]> {
    const stamped = await tx.query<{ share_id: string }>(
      `UPDATE shares SET source_task_id = $3, updated_at = now()
        WHERE project_id = $1 AND session_id = $2 AND source_type = 'user' AND source_task_id IS NULL
          AND ended_at IS NULL
        RETURNING share_id`,
      [project_id, session_id, task_id],
    );
    return this.all(tx, project_id, stamped);
  }

  /** The chain of whoever holds a token, themselves first; empty for a token that is nobody's. */
  heldByToken(kind: ShareTokenKind, hash: Buffer): Promise<HeldShare[]> {
    return this.unitOfWork.query<HeldShare>(BY_TOKEN[kind], [hash]);
  }

  /** The chain of a participant, or of a share itself. */
  heldBy(database: Database, project_id: string, holder_id: string): Promise<HeldShare[]> {
    return database.query<HeldShare>(BY_HOLDER, [project_id, holder_id]);
  }

  /** In the order of their ids, so that two that end some of the same wait for each other in one direction only. */
  private async endThose(tx: Transaction, those: string, values: unknown[]): Promise<ShareRow[]> {
    const ended = await tx.query<{ share_id: string }>(
      `WITH RECURSIVE ending AS (
         SELECT s.share_id FROM shares s WHERE ${those} AND s.ended_at IS NULL
         UNION
         SELECT s.share_id FROM ending
           JOIN shares s ON s.project_id = $1 AND s.parent_share_id = ending.share_id AND s.ended_at IS NULL
       ),
       locked AS MATERIALIZED (
         SELECT s.share_id FROM shares s
          WHERE s.project_id = $1 AND s.share_id = ANY (ARRAY (SELECT share_id FROM ending)) AND s.ended_at IS NULL
          ORDER BY s.share_id FOR UPDATE
       )
       UPDATE shares s
          SET ended_at = CASE WHEN s.expires_at <= now() THEN s.expires_at ELSE now() END,
              end_reason = CASE WHEN s.expires_at <= now() THEN 'expired' ELSE $2 END,
              updated_at = now(), updated_by_id = $3
         FROM locked
        WHERE s.project_id = $1 AND s.share_id = locked.share_id AND s.ended_at IS NULL
        RETURNING s.share_id`,
      values,
    );
    return this.all(tx, values[0] as string, ended);
  }

  private all(tx: Transaction, project_id: string, shares: { share_id: string }[]): Promise<ShareRow[]> {
    if (shares.length === 0) return Promise.resolve([]);
    return tx.query<ShareRow>(`${SHARES} WHERE s.project_id = $1 AND s.share_id = ANY($2) ORDER BY s.share_id`, [
      project_id,
      shares.map(({ share_id }) => share_id),
    ]);
  }
}

/**
 * Placeholders are handed in; $1 is the project. What depends on no share is found once, before the shares, which are then
 * found by the indexes of their hosts: a project may have very many.
 */
const hostIsSession = (session: string) =>
  `(s.session_id = ${session} OR s.task_id = (
     SELECT task_id FROM tasks WHERE project_id = $1 AND session_id = ${session}))`;

const hostIsTask = (task: string) =>
  `(s.task_id = ${task} OR s.session_id = (
     SELECT session_id FROM tasks WHERE project_id = $1 AND task_id = ${task}))`;

/** A host above the session. As arrays, which an index is searched for. */
const ANCESTORS = (session: string) =>
  `(SELECT ancestor_ids FROM tasks WHERE project_id = $1 AND session_id = ${session})`;

const hostIsAbove = (session: string) =>
  `(s.task_id = ANY (${ANCESTORS(session)}::uuid[]) OR s.session_id = ANY (ARRAY (
     SELECT session_id FROM tasks WHERE project_id = $1 AND task_id = ANY (${ANCESTORS(session)}::uuid[])
        AND session_id IS NOT NULL)))`;

/** The key that made the first share of those that `s` was made through. */
const MAKER = `(
  WITH RECURSIVE above AS (
    SELECT s.parent_share_id, s.created_by_id
    UNION ALL
    SELECT next.parent_share_id, next.created_by_id
      FROM above JOIN shares next ON next.project_id = $1 AND next.share_id = above.parent_share_id
  ) SELECT created_by_id FROM above WHERE parent_share_id IS NULL)`;

/** Those made through a share, at any remove. */
const madeThrough = (share: string) => `
  WITH RECURSIVE made AS (
    SELECT share_id FROM shares WHERE project_id = $1 AND parent_share_id = ${share}
    UNION
    SELECT next.share_id FROM made JOIN shares next ON next.project_id = $1 AND next.parent_share_id = made.share_id
  ) SELECT share_id FROM made`;
