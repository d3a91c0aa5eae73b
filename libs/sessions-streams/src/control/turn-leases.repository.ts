import { Injectable } from '@nestjs/common';
import { UnitOfWork, type SessionKey, type Transaction, type TurnFence } from '@holdfast/platform-postgres';
import { LOCAL_PREFIX, LOCAL_RUNNER_GONE_SECONDS } from './local-pool.rules.js';
import type { RunnerReplica } from './runner-replicas.repository.js';
import { LIVE, type TurnRow } from './session-turns.repository.js';

/** What a runner says of one of its turns. */
export interface TurnBeat {
  session_id: string;
  turn_id: string;
  epoch: number;
  /** `running` once its prompt is about to be sent. */
  status: 'starting' | 'running';
  agent_session_id?: string;
  sandbox_live?: boolean;
}

/** The labels that a runner has, or that a turn asks for, in the line of a pool. */
export interface LineOffer {
  project_id: string;
  pool: string;
  labels: string[];
}

/** Who is to own a turn, and by which of its claims. */
export interface TurnClaimant {
  replica_id: string;
  claim_id?: string;
}

/** What came of a replica's beats, each named by its place among them, from 0. */
export interface RenewedLeases {
  /** Those that the replica owns still. */
  owned: number[];
  /** Those of them that say something new of their turn. */
  changed: number[];
  /** Those of them whose runner is due a new credential. */
  credential_due: number[];
}

/**
 * How often a live turn is given a new credential, in seconds: a quarter of a credential's life, so that two answers
 * in a row may get lost and the turn still holds one that is good.
 */
const CREDENTIAL_EVERY_SECONDS = 225;

/** Counts the periods up to a moment. Sessions begin theirs at different times, so that not all credentials are made at once. */
const credentialPeriod = (moment: string) =>
  `div(extract(epoch FROM ${moment})::bigint + abs(hashtext(s.session_id)::bigint) % ${CREDENTIAL_EVERY_SECONDS}, ${CREDENTIAL_EVERY_SECONDS})`;

const RENEW = `
  WITH me AS (
    UPDATE runner_replicas SET seen_at = now(), control_offset = coalesce($4, control_offset)
     WHERE project_id = $1 AND replica_id = $2 AND key_id = $3 RETURNING replica_id),
  owned AS (
    SELECT s.session_id, beat.place, beat.sandbox_live, beat.epoch,
           (beat.running AND t.status = 'starting')
             OR (beat.agent_session_id IS NOT NULL AND t.agent_session_id IS DISTINCT FROM beat.agent_session_id) AS changed,
           ${credentialPeriod('s.last_heartbeat_at')} <> ${credentialPeriod('now()')} AS credential_due
      FROM unnest($5::text[], $6::uuid[], $7::bigint[], $8::boolean[], $9::text[], $10::boolean[]) WITH ORDINALITY
             AS beat(session_id, turn_id, epoch, running, agent_session_id, sandbox_live, place)
      JOIN me ON true
      JOIN session_streams s ON s.project_id = $1 AND s.session_id = beat.session_id
                            AND s.current_turn_id = beat.turn_id AND s.owner_replica_id = $2
      JOIN session_turns t ON t.project_id = $1 AND t.turn_id = beat.turn_id
     -- Epochs only grow, so one that is behind the turn's is of a claim by a process that does not write it yet.
     WHERE s.owner_epoch = beat.epoch
        OR ((s.owner_epoch IS NULL OR s.owner_epoch < t.epoch) AND t.epoch = beat.epoch)
     ORDER BY s.session_id FOR UPDATE OF s),
  renewed AS (
    UPDATE session_streams s
       SET lease_until = now() + make_interval(secs => $11), last_heartbeat_at = now(), owner_epoch = owned.epoch,
           sandbox_live = coalesce(owned.sandbox_live, s.sandbox_live)
      FROM owned WHERE s.project_id = $1 AND s.session_id = owned.session_id)
  SELECT EXISTS (SELECT FROM me) AS known, array_agg(place) AS owned,
         array_agg(place) FILTER (WHERE changed) AS changed,
         array_agg(place) FILTER (WHERE credential_due) AS credential_due
    FROM owned`;

/** Of a turn `t`: it has been in line for a machine while no runner was heard of there, for as long as may be. */
const UNREACHABLE = `t.status = 'queued' AND t.pool LIKE '${LOCAL_PREFIX}%'
  AND t.created_at < now() - interval '${LOCAL_RUNNER_GONE_SECONDS} seconds'
  AND NOT EXISTS (SELECT FROM runner_replicas r
                   WHERE r.project_id = t.project_id AND '${LOCAL_PREFIX}' || r.private_pool = t.pool
                     AND r.seen_at > now() - interval '${LOCAL_RUNNER_GONE_SECONDS} seconds')`;

/** The SQL of leases: which replica owns which turn, and until when. Every time in it is the database's clock's. */
@Injectable()
export class TurnLeasesRepository {
  constructor(private readonly unitOfWork: UnitOfWork) {}

  /** Turns in line that a runner with these pools and labels may take, oldest first. */
  queuedTurns(
    project_id: string,
    { pools, labels }: { pools: string[]; labels: string[] },
    limit: number,
  ): Promise<(SessionKey & { turn_id: string })[]> {
    return this.unitOfWork.query(
      // Pool by pool, in the order of `session_turns_queued`: a long line is not sorted for its first turns.
      `SELECT line.project_id, line.session_id, line.turn_id
         FROM unnest($2::text[]) AS mine(pool)
        CROSS JOIN LATERAL (
          SELECT * FROM session_turns t
           WHERE t.project_id = $1 AND t.pool = mine.pool AND t.status = 'queued' AND t.labels <@ $3
           ORDER BY t.created_at LIMIT $4) line
        ORDER BY line.created_at LIMIT $4`,
      [project_id, pools, labels, limit],
    );
  }

  /** The oldest turn in line of the project that is to be pushed to a service, leaving out those of `passed`. */
  queuedPush(project_id: string, passed: string[]): Promise<(SessionKey & { turn_id: string }) | undefined> {
    return this.unitOfWork.queryOne(
      `SELECT project_id, session_id, turn_id FROM session_turns
        WHERE project_id = $1 AND pool IS NULL AND status = 'queued' AND turn_id <> ALL($2)
        ORDER BY created_at LIMIT 1`,
      [project_id, passed],
    );
  }

  /** What the oldest turns in line ask of a runner that one of the offers may take. */
  queuedDemands(offers: LineOffer[], limit: number): Promise<LineOffer[]> {
    return this.unitOfWork.query(
      `SELECT project_id, pool, labels FROM (
         SELECT DISTINCT line.turn_id, line.project_id, line.pool, line.labels, line.created_at
           FROM jsonb_to_recordset($1) AS offer(project_id uuid, pool text, labels text[])
          CROSS JOIN LATERAL (
            SELECT * FROM session_turns t
             WHERE t.project_id = offer.project_id AND t.pool = offer.pool AND t.status = 'queued'
               AND t.labels <@ offer.labels
             ORDER BY t.created_at LIMIT $2) line) demands
        ORDER BY created_at LIMIT $2`,
      [JSON.stringify(offers), limit],
    );
  }

  /** How many turns a replica owns by leases that have not run out. */
  async leasesHeld(tx: Transaction, project_id: string, replica_id: string): Promise<number> {
    const row = await tx.queryOne<{ held: number }>(
      `SELECT count(*) AS held FROM session_streams
        WHERE project_id = $1 AND owner_replica_id = $2 AND lease_until > now()`,
      [project_id, replica_id],
    );
    return row!.held;
  }

  /** What a replica owns by a claim. */
  ownedUnder(tx: Transaction, { project_id, replica_id }: RunnerReplica, claim_id: string): Promise<TurnRow[]> {
    return tx.query<TurnRow>(
      `SELECT t.* FROM session_streams s
         JOIN session_turns t ON t.project_id = s.project_id AND t.turn_id = s.current_turn_id
        WHERE s.project_id = $1 AND s.owner_replica_id = $2 AND t.claim_id = $3 ORDER BY t.created_at`,
      [project_id, replica_id, claim_id],
    );
  }

  /** Makes a replica the owner of a turn in line, under an epoch that was never anybody's. */
  async claimTurn(
    tx: Transaction,
    fence: TurnFence,
    { replica_id, claim_id }: TurnClaimant,
    leaseSeconds: number,
  ): Promise<TurnRow> {
    const turn = await tx.queryOne<TurnRow>(
      `WITH stream AS (
         UPDATE session_streams
            SET owner_replica_id = $5, owner_epoch = $4, last_heartbeat_at = now(),
                lease_until = now() + make_interval(secs => $6)
          WHERE project_id = $1 AND session_id = $2)
       UPDATE session_turns SET status = 'starting', attempt = attempt + 1, epoch = $4, replica_id = $5, claim_id = $7
        WHERE project_id = $1 AND session_id = $2 AND turn_id = $3 RETURNING *`,
      [fence.project_id, fence.session_id, fence.turn_id, fence.epoch, replica_id, leaseSeconds, claim_id ?? null],
    );
    return turn!;
  }

  /**
   * Renews the leases of the turns that the replica still owns under their epoch, in one statement that touches no
   * fence. Undefined when this key registered no such replica.
   */
  async renewLeases(
    runner: RunnerReplica,
    beats: TurnBeat[],
    controlOffset: string | undefined,
    leaseSeconds: number,
  ): Promise<RenewedLeases | undefined> {
    const [row] = await this.unitOfWork.statement<{ known: boolean } & Record<keyof RenewedLeases, number[] | null>>({
      name: 'renew_leases',
      text: RENEW,
      values: [
        runner.project_id,
        runner.replica_id,
        runner.key_id,
        controlOffset ?? null,
        beats.map(({ session_id }) => session_id),
        beats.map(({ turn_id }) => turn_id),
        beats.map(({ epoch }) => epoch),
        beats.map(({ status }) => status === 'running'),
        beats.map(({ agent_session_id }) => agent_session_id ?? null),
        beats.map(({ sandbox_live }) => sandbox_live ?? null),
        leaseSeconds,
      ],
    });
    if (!row?.known) return undefined;
    return {
      owned: indexes(row.owned),
      changed: indexes(row.changed),
      credential_due: indexes(row.credential_due),
    };
  }

  async markRunning(tx: Transaction, fence: TurnFence, agent_session_id: string | undefined): Promise<void> {
    await tx.query(
      `UPDATE session_turns SET status = 'running', started_at = coalesce(started_at, now()),
              agent_session_id = coalesce($4, agent_session_id)
        WHERE project_id = $1 AND session_id = $2 AND turn_id = $3`,
      [fence.project_id, fence.session_id, fence.turn_id, agent_session_id ?? null],
    );
  }

  async noteAgentSession(tx: Transaction, fence: TurnFence, agent_session_id: string): Promise<void> {
    await tx.query(
      `UPDATE session_turns SET agent_session_id = $4
        WHERE project_id = $1 AND session_id = $2 AND turn_id = $3`,
      [fence.project_id, fence.session_id, fence.turn_id, agent_session_id],
    );
  }

  /** Puts a turn back in line, with nobody to own it. `handed_over_epoch` is of the attempt that its runner gave up itself. */
  async requeueTurn(tx: Transaction, turn: TurnRow, handed_over_epoch: number | null): Promise<TurnRow> {
    const row = await tx.queryOne<TurnRow>(
      `WITH stream AS (
         UPDATE session_streams
            SET owner_replica_id = NULL, owner_epoch = NULL, lease_until = NULL, sandbox_live = false
          WHERE project_id = $1 AND session_id = $2)
       UPDATE session_turns
          SET status = 'queued', epoch = NULL, replica_id = NULL, handed_over_epoch = coalesce($4, handed_over_epoch)
        WHERE project_id = $1 AND session_id = $2 AND turn_id = $3 RETURNING *`,
      [turn.project_id, turn.session_id, turn.turn_id, handed_over_epoch],
    );
    return row!;
  }

  /** Notes that the turn's owner was lost once more. */
  async countLostAttempt(tx: Transaction, turn: TurnRow): Promise<number> {
    const row = await tx.queryOne<{ lost_attempts: number }>(
      `UPDATE session_turns SET lost_attempts = lost_attempts + 1
        WHERE project_id = $1 AND session_id = $2 AND turn_id = $3 RETURNING lost_attempts`,
      [turn.project_id, turn.session_id, turn.turn_id],
    );
    return row!.lost_attempts;
  }

  /** Sessions after `after` whose owner let its lease run out, or whose turn did not stop in time. */
  overdueSessions(limit: number, after?: SessionKey): Promise<SessionKey[]> {
    return this.unitOfWork.query(
      `SELECT project_id, session_id FROM (
         SELECT project_id, session_id FROM session_streams
          WHERE owner_replica_id IS NOT NULL AND lease_until < now()
         UNION
         SELECT project_id, session_id FROM session_turns WHERE status = 'stopping' AND stop_by < now()) overdue
        WHERE $2::uuid IS NULL OR (project_id, session_id) > ($2, $3)
        ORDER BY project_id, session_id LIMIT $1`,
      [limit, after?.project_id ?? null, after?.session_id ?? null],
    );
  }

  /** Sessions after `after` in which prompts wait and no turn is live: a process ended it that knew of no inbox. */
  strandedInboxes(limit: number, after?: SessionKey): Promise<SessionKey[]> {
    return this.unitOfWork.query(
      `SELECT DISTINCT project_id, session_id FROM session_turns waiting
        WHERE status = 'inbox' AND ($2::uuid IS NULL OR (project_id, session_id) > ($2, $3))
          AND NOT EXISTS (SELECT FROM session_turns live
                           WHERE live.project_id = waiting.project_id AND live.session_id = waiting.session_id
                             AND live.${LIVE})
        ORDER BY project_id, session_id LIMIT $1`,
      [limit, after?.project_id ?? null, after?.session_id ?? null],
    );
  }

  /** Sessions after `after` whose turn in line is for a machine that no runner was heard of on for long. */
  unreachableTurns(limit: number, after?: SessionKey): Promise<SessionKey[]> {
    return this.unitOfWork.query(
      `SELECT project_id, session_id FROM session_turns t
        WHERE ${UNREACHABLE} AND ($2::uuid IS NULL OR (project_id, session_id) > ($2, $3))
        ORDER BY project_id, session_id LIMIT $1`,
      [limit, after?.project_id ?? null, after?.session_id ?? null],
    );
  }

  /** The session's turn of which that is so still, locked. */
  lockUnreachable(tx: Transaction, { project_id, session_id }: SessionKey): Promise<TurnRow | undefined> {
    return tx.queryOne<TurnRow>(
      `SELECT * FROM session_turns t WHERE project_id = $1 AND session_id = $2 AND ${UNREACHABLE} FOR UPDATE`,
      [project_id, session_id],
    );
  }

  /**
   * Why the session is overdue still, seen under its fence. Locks who owns it: a beat that came first has renewed the
   * lease, one that comes later finds that it owns nothing.
   */
  async overdue(tx: Transaction, { project_id, session_id }: SessionKey): Promise<'lease' | 'stop' | undefined> {
    const row = await tx.queryOne<{ lease: boolean | null; stop: boolean | null }>(
      `SELECT s.lease_until < now() AS lease, t.status = 'stopping' AND t.stop_by < now() AS stop
         FROM session_streams s
         JOIN session_turns t ON t.project_id = s.project_id AND t.turn_id = s.current_turn_id
        WHERE s.project_id = $1 AND s.session_id = $2 FOR UPDATE OF s`,
      [project_id, session_id],
    );
    if (row?.stop) return 'stop';
    return row?.lease ? 'lease' : undefined;
  }
}

/** PostgreSQL counts from 1. */
const indexes = (places: number[] | null): number[] => (places ?? []).map((place) => place - 1);
