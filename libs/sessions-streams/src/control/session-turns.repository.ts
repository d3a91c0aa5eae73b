import { Injectable } from '@nestjs/common';
import { UnitOfWork, type SessionKey, type Transaction, type TurnFence } from '@holdfast/platform-postgres';
import type { TurnOutcome, TurnStatus } from './session-turn.rules.js';

/** A row of session_turns. */
export interface TurnRow extends SessionKey {
  turn_id: string;
  turn_index: number;
  status: TurnStatus;
  pool: string;
  agent_name: string;
  agent_revision: number;
  harness: string;
  prompt: string;
  attempt: number;
  epoch: number | null;
  replica_id: string | null;
  agent_session_id: string | null;
  stop_reason: string | null;
  usage: object | null;
  error: { code: string; message: string } | null;
  created_at: Date;
  created_by_id: string;
  started_at: Date | null;
  ended_at: Date | null;
}

/** A row of session_streams: who owns the session now. */
export interface StreamRow extends SessionKey {
  turn_count: number;
  current_turn_id: string | null;
  owner_replica_id: string | null;
  lease_until: Date | null;
  last_heartbeat_at: Date | null;
}

/** How a turn ended. */
export interface TurnEnd {
  status: TurnOutcome;
  stop_reason: string | null;
  usage: object | null;
  error: { code: string; message: string } | null;
}

const LIVE = `status IN ('queued', 'starting', 'running', 'stopping')`;

/** The SQL of turns and of who owns a session. */
@Injectable()
export class SessionTurnsRepository {
  constructor(private readonly unitOfWork: UnitOfWork) {}

  async createStream(tx: Transaction, { project_id, session_id }: SessionKey): Promise<void> {
    await tx.query(`INSERT INTO session_streams (project_id, session_id) VALUES ($1, $2) ON CONFLICT DO NOTHING`, [
      project_id,
      session_id,
    ]);
  }

  async insertTurn(
    tx: Transaction,
    turn: Pick<
      TurnRow,
      | 'project_id'
      | 'session_id'
      | 'turn_id'
      | 'pool'
      | 'agent_name'
      | 'agent_revision'
      | 'harness'
      | 'prompt'
      | 'created_by_id'
    >,
  ): Promise<TurnRow> {
    const row = await tx.queryOne<TurnRow>(
      `WITH stream AS (
         UPDATE session_streams SET turn_count = turn_count + 1, current_turn_id = $3
          WHERE project_id = $1 AND session_id = $2 RETURNING turn_count)
       INSERT INTO session_turns (project_id, session_id, turn_id, turn_index, status, pool,
                                  agent_name, agent_revision, harness, prompt, created_by_id)
       SELECT $1, $2, $3, turn_count - 1, 'queued', $4, $5, $6, $7, $8, $9 FROM stream RETURNING *`,
      [
        turn.project_id,
        turn.session_id,
        turn.turn_id,
        turn.pool,
        turn.agent_name,
        turn.agent_revision,
        turn.harness,
        turn.prompt,
        turn.created_by_id,
      ],
    );
    return row!;
  }

  /** The live turn of a session, locked. */
  lockLiveTurn(tx: Transaction, { project_id, session_id }: SessionKey): Promise<TurnRow | undefined> {
    return tx.queryOne<TurnRow>(
      `SELECT * FROM session_turns WHERE project_id = $1 AND session_id = $2 AND ${LIVE} FOR UPDATE`,
      [project_id, session_id],
    );
  }

  lockTurn(
    tx: Transaction,
    { project_id, session_id, turn_id }: Omit<TurnFence, 'epoch'>,
  ): Promise<TurnRow | undefined> {
    return tx.queryOne<TurnRow>(
      `SELECT * FROM session_turns WHERE project_id = $1 AND session_id = $2 AND turn_id = $3 FOR UPDATE`,
      [project_id, session_id, turn_id],
    );
  }

  async claimTurn(tx: Transaction, fence: TurnFence, replica_id: string, leaseSeconds: number): Promise<TurnRow> {
    const turn = await tx.queryOne<TurnRow>(
      `UPDATE session_turns SET status = 'starting', attempt = attempt + 1, epoch = $4, replica_id = $5
        WHERE project_id = $1 AND session_id = $2 AND turn_id = $3 RETURNING *`,
      [fence.project_id, fence.session_id, fence.turn_id, fence.epoch, replica_id],
    );
    await tx.query(
      `UPDATE session_streams SET owner_replica_id = $3, lease_until = now() + make_interval(secs => $4)
        WHERE project_id = $1 AND session_id = $2`,
      [fence.project_id, fence.session_id, replica_id, leaseSeconds],
    );
    return turn!;
  }

  async markRunning(tx: Transaction, fence: TurnFence, agent_session_id: string | null): Promise<void> {
    await tx.query(
      `UPDATE session_turns SET status = 'running', started_at = coalesce(started_at, now()), agent_session_id = $4
        WHERE project_id = $1 AND session_id = $2 AND turn_id = $3`,
      [fence.project_id, fence.session_id, fence.turn_id, agent_session_id],
    );
  }

  async markStopping(tx: Transaction, turn: TurnRow, deadlineSeconds: number): Promise<void> {
    await tx.query(
      `UPDATE session_turns SET status = 'stopping', stop_by = now() + make_interval(secs => $4)
        WHERE project_id = $1 AND session_id = $2 AND turn_id = $3`,
      [turn.project_id, turn.session_id, turn.turn_id, deadlineSeconds],
    );
  }

  async endTurn(tx: Transaction, turn: TurnRow, end: TurnEnd): Promise<TurnRow> {
    const row = await tx.queryOne<TurnRow>(
      `UPDATE session_turns SET status = $4, stop_reason = $5, usage = $6, error = $7, epoch = $8,
             ended_at = now(), stop_by = NULL
        WHERE project_id = $1 AND session_id = $2 AND turn_id = $3 RETURNING *`,
      [
        turn.project_id,
        turn.session_id,
        turn.turn_id,
        end.status,
        end.stop_reason,
        end.usage && JSON.stringify(end.usage),
        end.error && JSON.stringify(end.error),
        turn.epoch,
      ],
    );
    await this.releaseStream(tx, turn);
    await tx.query(`UPDATE session_streams SET current_turn_id = NULL WHERE project_id = $1 AND session_id = $2`, [
      turn.project_id,
      turn.session_id,
    ]);
    return row!;
  }

  /** Puts a turn that never ran back in line. */
  async requeueTurn(tx: Transaction, turn: TurnRow): Promise<void> {
    await tx.query(
      `UPDATE session_turns SET status = 'queued', epoch = NULL, replica_id = NULL
        WHERE project_id = $1 AND session_id = $2 AND turn_id = $3`,
      [turn.project_id, turn.session_id, turn.turn_id],
    );
    await this.releaseStream(tx, turn);
  }

  private async releaseStream(tx: Transaction, { project_id, session_id }: SessionKey): Promise<void> {
    await tx.query(
      `UPDATE session_streams SET owner_replica_id = NULL, lease_until = NULL
        WHERE project_id = $1 AND session_id = $2`,
      [project_id, session_id],
    );
  }

  /** Turns in line for one of the pools, oldest first. */
  queuedTurns(project_id: string, pools: string[], limit: number): Promise<(SessionKey & { turn_id: string })[]> {
    return this.unitOfWork.query(
      `SELECT project_id, session_id, turn_id FROM session_turns
        WHERE project_id = $1 AND pool = ANY($2) AND status = 'queued' ORDER BY created_at LIMIT $3`,
      [project_id, pools, limit],
    );
  }

  /** Renews the leases of turns that the replica still owns under their epoch, and returns those. */
  async renewLeases(
    tx: Transaction,
    project_id: string,
    replica_id: string,
    turns: { session_id: string; turn_id: string; epoch: number }[],
    leaseSeconds: number,
  ): Promise<{ turn_id: string; epoch: number }[]> {
    return tx.query<{ turn_id: string; epoch: number }>(
      `WITH owned AS (
         SELECT s.session_id, t.turn_id, t.epoch
           FROM unnest($3::text[], $4::uuid[], $5::bigint[]) AS beat(session_id, turn_id, epoch)
           JOIN session_streams s ON s.project_id = $1 AND s.session_id = beat.session_id
                                 AND s.current_turn_id = beat.turn_id AND s.owner_replica_id = $2
           JOIN session_turns t ON t.project_id = $1 AND t.turn_id = beat.turn_id AND t.epoch = beat.epoch AND t.${LIVE}
          ORDER BY s.session_id FOR UPDATE OF s)
       UPDATE session_streams s
          SET lease_until = now() + make_interval(secs => $6), last_heartbeat_at = now()
         FROM owned WHERE s.project_id = $1 AND s.session_id = owned.session_id
    RETURNING owned.turn_id, owned.epoch`,
      [
        project_id,
        replica_id,
        turns.map((turn) => turn.session_id),
        turns.map((turn) => turn.turn_id),
        turns.map((turn) => turn.epoch),
        leaseSeconds,
      ],
    );
  }

  /** Sessions whose owner let its lease run out, or whose turn did not stop in time. */
  overdueSessions(limit: number): Promise<SessionKey[]> {
    return this.unitOfWork.query(
      `(SELECT project_id, session_id FROM session_streams WHERE lease_until < now() LIMIT $1)
       UNION (SELECT project_id, session_id FROM session_turns WHERE status = 'stopping' AND stop_by < now() LIMIT $1)`,
      [limit],
    );
  }

  /** Whether the session is overdue still, seen under its fence. */
  async overdue(tx: Transaction, { project_id, session_id }: SessionKey): Promise<'lease' | 'stop' | undefined> {
    const row = await tx.queryOne<{ lease: boolean | null; stop: boolean | null }>(
      `SELECT s.lease_until < now() AS lease, t.status = 'stopping' AND t.stop_by < now() AS stop
         FROM session_streams s
         JOIN session_turns t ON t.project_id = s.project_id AND t.turn_id = s.current_turn_id
        WHERE s.project_id = $1 AND s.session_id = $2`,
      [project_id, session_id],
    );
    if (row?.stop) return 'stop';
    return row?.lease ? 'lease' : undefined;
  }

  stream({ project_id, session_id }: SessionKey): Promise<StreamRow | undefined> {
    return this.unitOfWork.queryOne<StreamRow>(
      `SELECT * FROM session_streams WHERE project_id = $1 AND session_id = $2`,
      [project_id, session_id],
    );
  }

  turn(project_id: string, turn_id: string): Promise<TurnRow | undefined> {
    return this.unitOfWork.queryOne<TurnRow>(`SELECT * FROM session_turns WHERE project_id = $1 AND turn_id = $2`, [
      project_id,
      turn_id,
    ]);
  }

  /** Turns of a session, newest first, before `beforeIndex` when given. */
  turns({ project_id, session_id }: SessionKey, beforeIndex: number | undefined, limit: number): Promise<TurnRow[]> {
    return this.unitOfWork.query<TurnRow>(
      `SELECT * FROM session_turns
        WHERE project_id = $1 AND session_id = $2 AND turn_index < coalesce($3::bigint, 2147483648)
        ORDER BY turn_index DESC LIMIT $4`,
      [project_id, session_id, beforeIndex ?? null, limit],
    );
  }

  async lastAgent(tx: Transaction, { project_id, session_id }: SessionKey): Promise<{ name: string } | undefined> {
    return tx.queryOne<{ name: string }>(
      `SELECT agent_name AS name FROM session_turns
        WHERE project_id = $1 AND session_id = $2 ORDER BY turn_index DESC LIMIT 1`,
      [project_id, session_id],
    );
  }

  /** The agent's own id of this conversation, from the newest turn of the same agent that had one. */
  async lastAgentSession(tx: Transaction, turn: TurnRow): Promise<string | null> {
    const row = await tx.queryOne<{ agent_session_id: string }>(
      `SELECT agent_session_id FROM session_turns
        WHERE project_id = $1 AND session_id = $2 AND agent_name = $3 AND harness = $4 AND agent_session_id IS NOT NULL
        ORDER BY turn_index DESC LIMIT 1`,
      [turn.project_id, turn.session_id, turn.agent_name, turn.harness],
    );
    return row?.agent_session_id ?? null;
  }
}
