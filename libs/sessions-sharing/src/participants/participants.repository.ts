import { Injectable } from '@nestjs/common';
import type { ShareRole } from '@holdfast/platform-auth';
import { UnitOfWork, type SessionKey, type Transaction } from '@holdfast/platform-postgres';
import { HIGHER_ROLE } from '../shares/shares.repository.js';
import type { SessionSelection } from './dto/session-participant.dto.js';

/** A row of share_participants, with what is true of it beside. */
export interface ParticipantRow {
  project_id: string;
  participant_id: string;
  share_id: string | null;
  key_id: string | null;
  name: string | null;
  /** That of its share, unless it has one of its own. */
  role: ShareRole;
  session_id: string | null;
  selection: SessionSelection | null;
  joined_at: Date;
  last_seen_at: Date;
  /** Heard of within `PRESENT_WITHIN_SECONDS`. */
  is_fresh: boolean;
  left_at: Date | null;
  left_reason: string | null;
  /** Its place in `session_id`. */
  join_order: number | null;
}

/** A participant and its place in one of the sessions that it was in. */
export interface VisitRow extends ParticipantRow {
  join_order: number;
  /** Whether that is the session that it looks at. */
  is_here: boolean;
}

/** Whose participant it is: exactly one of them is not null. */
export interface ParticipantOwner {
  share_id: string | null;
  key_id: string | null;
}

/** How long somebody counts as present who is not heard of any more. Open views are heard of every 10 seconds. */
export const PRESENT_WITHIN_SECONDS = 45;

const COLUMNS = `p.project_id, p.participant_id, p.share_id, p.key_id, p.name, ${HIGHER_ROLE('p.role', 's.role')} AS role, p.session_id, p.selection,
  p.joined_at, p.last_seen_at, p.last_seen_at > now() - interval '${PRESENT_WITHIN_SECONDS} seconds' AS is_fresh,
  p.left_at, p.left_reason`;

/** A participant by itself, with its place in the session that it looks at. */
const OWN_COLUMNS = `${COLUMNS}, (SELECT v.join_order FROM session_visits v
  WHERE v.project_id = p.project_id AND v.session_id = p.session_id AND v.participant_id = p.participant_id) AS join_order`;

const FROM = `share_participants p LEFT JOIN shares s ON s.project_id = p.project_id AND s.share_id = p.share_id`;

/** Who did not leave, and whose share lives: it ends without a word to each participant. */
const STAYS = `p.left_at IS NULL AND (p.share_id IS NULL
  OR (s.ended_at IS NULL AND (s.expires_at IS NULL OR s.expires_at > now())))`;

/** By way of those who are there, of whom a session has few: it may have been visited by very many. */
const LIST_HERE = `
  SELECT ${COLUMNS}, v.join_order, true AS is_here
    FROM ${FROM}
    JOIN session_visits v ON v.project_id = p.project_id AND v.session_id = p.session_id
     AND v.participant_id = p.participant_id
   WHERE p.project_id = $1 AND p.session_id = $2 AND ${STAYS} AND v.join_order > $3
   ORDER BY v.join_order LIMIT $4`;

const LIST_ALL = `
  SELECT ${COLUMNS}, v.join_order, coalesce(p.session_id = v.session_id, false) AND ${STAYS} AS is_here
    FROM session_visits v
    JOIN share_participants p ON p.project_id = v.project_id AND p.participant_id = v.participant_id
    LEFT JOIN shares s ON s.project_id = p.project_id AND s.share_id = p.share_id
   WHERE v.project_id = $1 AND v.session_id = $2 AND v.join_order > $3
   ORDER BY v.join_order LIMIT $4`;

/** Any number: sets these locks apart from other advisory locks of the database. */
const VISITS_LOCK = 1_794_063;
const LINK_LOCK = 1_794_062;

/** The SQL of participants and of the sessions that they were in. */
@Injectable()
export class ParticipantsRepository {
  constructor(private readonly unitOfWork: UnitOfWork) {}

  /** Locked. */
  lock(tx: Transaction, project_id: string, participant_id: string): Promise<ParticipantRow | undefined> {
    return tx.queryOne<ParticipantRow>(
      `SELECT ${OWN_COLUMNS} FROM ${FROM} WHERE p.project_id = $1 AND p.participant_id = $2 FOR NO KEY UPDATE OF p`,
      [project_id, participant_id],
    );
  }

  /** Keeps others from coming by the share until the commit. Returns how many have newly come within the last hour. */
  async holdLink(tx: Transaction, project_id: string, share_id: string): Promise<number> {
    await tx.query(`SELECT pg_advisory_xact_lock($1, hashtext($2))`, [LINK_LOCK, `${project_id} ${share_id}`]);
    const row = await tx.queryOne<{ count: number }>(
      `SELECT count(*)::int AS count FROM share_participants
        WHERE project_id = $1 AND share_id = $2 AND joined_at > now() - interval '1 hour'`,
      [project_id, share_id],
    );
    return row!.count;
  }

  async insert(
    tx: Transaction,
    row: {
      project_id: string;
      participant_id: string;
      token_hash: Buffer | null;
      role: ShareRole | null;
    } & ParticipantOwner,
  ): Promise<ParticipantRow> {
    await tx.query(
      `INSERT INTO share_participants (project_id, participant_id, share_id, key_id, token_hash, role)
       VALUES ($1, $2, $3, $4, $5, $6)`,
      [row.project_id, row.participant_id, row.share_id, row.key_id, row.token_hash, row.role],
    );
    return (await this.lock(tx, row.project_id, row.participant_id))!;
  }

  /** Puts it into a session, or into none. What it pointed at stays only where it stays. */
  async enter(
    tx: Transaction,
    { project_id, participant_id }: ParticipantRow,
    session_id: string | null,
    { name, role }: { name: string | undefined; role: ShareRole | null },
  ): Promise<ParticipantRow> {
    await tx.query(
      `UPDATE share_participants
          SET session_id = $3, name = coalesce($4, name), role = coalesce($5, role), last_seen_at = now(),
              selection = CASE WHEN session_id = $3 AND left_at IS NULL THEN selection END,
              left_at = NULL, left_reason = NULL
        WHERE project_id = $1 AND participant_id = $2`,
      [project_id, participant_id, session_id, name ?? null, role],
    );
    return (await this.lock(tx, project_id, participant_id))!;
  }

  /** Keeps others from coming into the session until the commit. Returns how many are there. */
  async holdDoor(tx: Transaction, { project_id, session_id }: SessionKey): Promise<number> {
    await tx.query(`SELECT pg_advisory_xact_lock($1, hashtext($2))`, [VISITS_LOCK, `${project_id} ${session_id}`]);
    const row = await tx.queryOne<{ count: number }>(
      `SELECT count(*)::int AS count FROM share_participants
        WHERE project_id = $1 AND session_id = $2 AND left_at IS NULL`,
      [project_id, session_id],
    );
    return row!.count;
  }

  /** Its place in the session: the one that it had, or the next. The door is held. */
  async visit(tx: Transaction, { project_id, session_id }: SessionKey, participant_id: string): Promise<number> {
    const row = await tx.queryOne<{ join_order: number }>(
      `WITH made AS (
         INSERT INTO session_visits (project_id, session_id, participant_id, join_order)
         SELECT $1, $2, $3, coalesce(max(join_order), 0) + 1 FROM session_visits
          WHERE project_id = $1 AND session_id = $2
         ON CONFLICT (project_id, session_id, participant_id) DO NOTHING RETURNING join_order)
       SELECT join_order FROM made
       UNION ALL
       SELECT join_order FROM session_visits WHERE project_id = $1 AND session_id = $2 AND participant_id = $3
       LIMIT 1`,
      [project_id, session_id, participant_id],
    );
    return row!.join_order;
  }

  async edit(
    tx: Transaction,
    { project_id, participant_id }: ParticipantRow,
    { name, selection }: Pick<ParticipantRow, 'name' | 'selection'>,
  ): Promise<ParticipantRow> {
    await tx.query(
      `UPDATE share_participants SET name = $3, selection = $4, last_seen_at = now()
        WHERE project_id = $1 AND participant_id = $2`,
      [project_id, participant_id, name, selection && JSON.stringify(selection)],
    );
    return (await this.lock(tx, project_id, participant_id))!;
  }

  async giveRole(
    tx: Transaction,
    { project_id, participant_id }: ParticipantRow,
    role: ShareRole,
  ): Promise<ParticipantRow> {
    await tx.query(`UPDATE share_participants SET role = $3 WHERE project_id = $1 AND participant_id = $2`, [
      project_id,
      participant_id,
      role,
    ]);
    return (await this.lock(tx, project_id, participant_id))!;
  }

  /** Those of a share who are there, by id, locked. */
  lockOfShare(tx: Transaction, project_id: string, share_id: string): Promise<ParticipantRow[]> {
    return tx.query<ParticipantRow>(
      `SELECT ${OWN_COLUMNS} FROM ${FROM}
        WHERE p.project_id = $1 AND p.share_id = $2 AND p.left_at IS NULL
        ORDER BY p.participant_id FOR NO KEY UPDATE OF p`,
      [project_id, share_id],
    );
  }

  /** Takes back the roles of their own that participants of a share have, where these are among `roles`. Returns whose. */
  async takeRoles(
    tx: Transaction,
    project_id: string,
    share_id: string,
    roles: ShareRole[],
  ): Promise<ParticipantRow[]> {
    const taken = await tx.query<{ participant_id: string }>(
      `WITH held AS MATERIALIZED (
         SELECT participant_id FROM share_participants
          WHERE project_id = $1 AND share_id = $2 AND role = ANY($3) ORDER BY participant_id FOR NO KEY UPDATE)
       UPDATE share_participants p SET role = NULL FROM held
        WHERE p.project_id = $1 AND p.participant_id = held.participant_id RETURNING p.participant_id`,
      [project_id, share_id, roles],
    );
    return tx.query<ParticipantRow>(
      `SELECT ${OWN_COLUMNS} FROM ${FROM} WHERE p.project_id = $1 AND p.participant_id = ANY($2) ORDER BY p.participant_id`,
      [project_id, taken.map(({ participant_id }) => participant_id)],
    );
  }

  /** Lets it go. What it pointed at goes with it. */
  async leave(
    tx: Transaction,
    { project_id, participant_id }: ParticipantRow,
    reason: string,
  ): Promise<ParticipantRow> {
    await tx.query(
      `UPDATE share_participants SET left_at = now(), left_reason = $3, selection = NULL
        WHERE project_id = $1 AND participant_id = $2`,
      [project_id, participant_id, reason],
    );
    return (await this.lock(tx, project_id, participant_id))!;
  }

  /** In the order of joining, after `after`. `all`: also those who are not there any more. */
  list({ project_id, session_id }: SessionKey, after: number, limit: number, all: boolean): Promise<VisitRow[]> {
    return this.unitOfWork.query<VisitRow>(all ? LIST_ALL : LIST_HERE, [project_id, session_id, after, limit]);
  }

  /** Notes that they were heard of; seldom enough that a view may say so as often as it likes. */
  async seen(
    project_id: string,
    who: { participant_id: string } | { key_id: string; session_ids: string[] },
  ): Promise<void> {
    const [condition, values] =
      'participant_id' in who
        ? [`participant_id = $2`, [who.participant_id]]
        : [`key_id = $2 AND session_id = ANY($3)`, [who.key_id, who.session_ids]];
    await this.unitOfWork.query(
      `UPDATE share_participants SET last_seen_at = now()
        WHERE project_id = $1 AND ${condition} AND left_at IS NULL AND last_seen_at < now() - interval '5 seconds'`,
      [project_id, ...values],
    );
  }

  /** Those who were not heard of for so long, the longest first, locked; leaves out those whom others hold. */
  lockUnseen(
    tx: Transaction,
    seconds: number,
    limit: number,
  ): Promise<(ParticipantRow & { share_end: string | null })[]> {
    return tx.query(
      `SELECT ${OWN_COLUMNS}, s.end_reason AS share_end FROM ${FROM}
        WHERE p.left_at IS NULL AND p.last_seen_at < now() - make_interval(secs => $1)
        ORDER BY p.last_seen_at LIMIT $2 FOR NO KEY UPDATE OF p SKIP LOCKED`,
      [seconds, limit],
    );
  }

  /** Those whose share ended lately, locked; leaves out those whom others hold. */
  lockOfEndedShares(
    tx: Transaction,
    seconds: number,
    limit: number,
  ): Promise<(ParticipantRow & { share_end: string | null })[]> {
    return tx.query(
      `SELECT ${OWN_COLUMNS}, s.end_reason AS share_end
         FROM shares s JOIN share_participants p ON p.project_id = s.project_id AND p.share_id = s.share_id
        WHERE s.ended_at > now() - make_interval(secs => $1) AND p.left_at IS NULL
        LIMIT $2 FOR NO KEY UPDATE OF p SKIP LOCKED`,
      [seconds, limit],
    );
  }

  /**
   * Forgets those who left that long ago, with what they asked for. The last to come of a session stays, so that no
   * place in the order is given away twice, and whoever made a share that lives, which is judged by them.
   */
  prune(tx: Transaction, days: number, limit: number): Promise<unknown[]> {
    return tx.query(
      `WITH gone AS MATERIALIZED (
         SELECT p.project_id, p.participant_id FROM share_participants p
          WHERE p.left_at < now() - make_interval(days => $1)
            AND NOT EXISTS (
              SELECT FROM shares made WHERE made.project_id = p.project_id AND made.parent_share_id = p.share_id
                 AND made.ended_at IS NULL AND made.created_by_id = p.participant_id)
            AND NOT EXISTS (
              SELECT FROM session_visits v WHERE v.project_id = p.project_id AND v.participant_id = p.participant_id
                 AND NOT EXISTS (SELECT FROM session_visits later WHERE later.project_id = v.project_id
                       AND later.session_id = v.session_id AND later.join_order > v.join_order))
          ORDER BY p.left_at LIMIT $2 FOR UPDATE OF p SKIP LOCKED),
       visits AS (DELETE FROM session_visits v USING gone
         WHERE v.project_id = gone.project_id AND v.participant_id = gone.participant_id),
       requests AS (DELETE FROM share_role_requests r USING gone
         WHERE r.project_id = gone.project_id AND r.participant_id = gone.participant_id)
       DELETE FROM share_participants p USING gone
        WHERE p.project_id = gone.project_id AND p.participant_id = gone.participant_id RETURNING p.participant_id`,
      [days, limit],
    );
  }
}
