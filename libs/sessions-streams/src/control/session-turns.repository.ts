import { Injectable } from '@nestjs/common';
import { UnitOfWork, type SessionKey, type Transaction, type TurnFence } from '@holdfast/platform-postgres';
import { sessionLogPath } from '../log/session-log.service.js';
import type { Delivery, TurnApprovals, TurnDrive, TurnOutcome, TurnStatus } from './session-turn.rules.js';

/** A row of session_turns. */
export interface TurnRow extends SessionKey {
  turn_id: string;
  /** Its place among the turns that went in line; null while it waits in the inbox, and when it never left it. */
  turn_index: number | null;
  status: TurnStatus;
  /** The pool whose runners take it; null when `push_url` is set. */
  pool: string | null;
  /** `key=value`, all of which the runner must have. */
  labels: string[];
  push_url: string | null;
  agent_name: string;
  agent_revision: number;
  harness: string;
  /** How its runner speaks with the harness, and what becomes of the agent's questions. */
  drive: TurnDrive;
  approvals: TurnApprovals;
  prompt: string;
  detached: boolean;
  /** Whether it is to begin a conversation of its own. */
  fresh_start: boolean;
  /** Its place in the session's inbox, smallest first; null elsewhere. */
  inbox_position: number | null;
  /** How it came into the inbox; null when it went in line at once. */
  delivery: Delivery | null;
  /** The live turn that its prompt was offered to. */
  in_turn_of: string | null;
  /** The paused turn that it goes on with. */
  resumes_turn_id: string | null;
  /** How a stopping turn is to end. */
  stop_status: 'cancelled' | 'superseded' | null;
  /** Up to here the log holds nothing of this turn but that it waited. */
  log_position: number;
  /** How often it was claimed. */
  attempt: number;
  /** How often its owner was lost, and how often that may be. */
  lost_attempts: number;
  max_attempts: number;
  /** Epoch of the last attempt that its runner gave to another one. */
  handed_over_epoch: number | null;
  epoch: number | null;
  replica_id: string | null;
  /** The claim by which it got its present or last owner, as that named it. */
  claim_id: string | null;
  agent_session_id: string | null;
  stop_reason: string | null;
  usage: object | null;
  error: { code: string; message: string } | null;
  created_at: Date;
  created_by_id: string;
  started_at: Date | null;
  ended_at: Date | null;
}

/** What is said of a turn when it is made. */
export type NewTurn = Pick<
  TurnRow,
  | 'project_id'
  | 'session_id'
  | 'turn_id'
  | 'pool'
  | 'labels'
  | 'push_url'
  | 'max_attempts'
  | 'agent_name'
  | 'agent_revision'
  | 'harness'
  | 'drive'
  | 'approvals'
  | 'prompt'
  | 'detached'
  | 'fresh_start'
  | 'created_by_id'
>;

/** A row of session_streams: who owns the session now. */
export interface StreamRow extends SessionKey {
  turn_count: number;
  current_turn_id: string | null;
  owner_replica_id: string | null;
  owner_epoch: number | null;
  lease_until: Date | null;
  last_heartbeat_at: Date | null;
  watcher_id: string | null;
  watcher_by_id: string | null;
  attached_at: Date | null;
  sandbox_live: boolean;
}

/** The last turn before another one that told its agent's id of the conversation. */
export type TurnBefore = Pick<TurnRow, 'harness' | 'agent_name'> & { agent_session_id: string; started_at: Date };

/** What a session's newest turn is to the next one. */
export type LastRun = Pick<TurnRow, 'agent_name' | 'pool'>;

/** A turn that began the session's conversation anew. */
export type FreshStart = Pick<TurnRow, 'turn_id'> & { started_at: Date };

/** How a turn ended. */
export interface TurnEnd {
  status: TurnOutcome;
  stop_reason: string | null;
  usage: object | null;
  error: { code: string; message: string } | null;
}

export const LIVE = `status IN ('queued', 'starting', 'running', 'stopping')`;

/** The columns of a new turn, and its values as the parameters from $1 on. */
export const NEW_TURN_COLUMNS = `project_id, session_id, turn_id, pool, labels, push_url, max_attempts,
  agent_name, agent_revision, harness, prompt, detached, created_by_id, log_position, drive, approvals, fresh_start`;
export const NEW_TURN_VALUES = `$1::uuid, $2::text, $3::uuid, $4::text, $5::text[], $6::text, $7::int,
  $8::text, $9::int, $10::text, $11::text, $12::boolean, $13::uuid,
  coalesce((SELECT tail FROM log_streams WHERE project_id = $1::uuid AND path = $14::text), 0), $15::text, $16::text, $17::boolean`;
export const newTurnParameters = (turn: NewTurn): unknown[] => [
  turn.project_id,
  turn.session_id,
  turn.turn_id,
  turn.pool,
  turn.labels,
  turn.push_url,
  turn.max_attempts,
  turn.agent_name,
  turn.agent_revision,
  turn.harness,
  turn.prompt,
  turn.detached,
  turn.created_by_id,
  sessionLogPath(turn.session_id),
  turn.drive,
  turn.approvals,
  turn.fresh_start,
];

/** The SQL of turns that are in line, live or over. */
@Injectable()
export class SessionTurnsRepository {
  constructor(private readonly unitOfWork: UnitOfWork) {}

  async createStream(tx: Transaction, { project_id, session_id }: SessionKey): Promise<void> {
    await tx.query(`INSERT INTO session_streams (project_id, session_id) VALUES ($1, $2) ON CONFLICT DO NOTHING`, [
      project_id,
      session_id,
    ]);
  }

  /** The stream, and the turns of the session: those that waited too. */
  async deleteSession(tx: Transaction, { project_id, session_id }: SessionKey): Promise<void> {
    await tx.query(`DELETE FROM session_turns WHERE project_id = $1 AND session_id = $2`, [project_id, session_id]);
    await tx.query(`DELETE FROM session_streams WHERE project_id = $1 AND session_id = $2`, [project_id, session_id]);
  }

  /** Makes the session's live turn. */
  async insertTurn(tx: Transaction, turn: NewTurn): Promise<TurnRow> {
    const row = await tx.queryOne<TurnRow>(
      `WITH stream AS (
         UPDATE session_streams SET turn_count = turn_count + 1, current_turn_id = $3
          WHERE project_id = $1 AND session_id = $2 RETURNING turn_count)
       INSERT INTO session_turns (status, turn_index, ${NEW_TURN_COLUMNS})
       SELECT 'queued', turn_count - 1, ${NEW_TURN_VALUES} FROM stream RETURNING *`,
      newTurnParameters(turn),
    );
    return row!;
  }

  /** Makes a turn that waits in the inbox the session's live turn. */
  async promoteTurn(tx: Transaction, { project_id, session_id, turn_id }: TurnRow): Promise<TurnRow> {
    const row = await tx.queryOne<TurnRow>(
      `WITH stream AS (
         UPDATE session_streams SET turn_count = turn_count + 1, current_turn_id = $3
          WHERE project_id = $1 AND session_id = $2 RETURNING turn_count)
       UPDATE session_turns SET status = 'queued', turn_index = stream.turn_count - 1, inbox_position = NULL,
              log_position = (SELECT tail FROM log_streams WHERE project_id = $1 AND path = $4)
         FROM stream WHERE project_id = $1 AND session_id = $2 AND turn_id = $3 RETURNING session_turns.*`,
      [project_id, session_id, turn_id, sessionLogPath(session_id)],
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

  async markStopping(
    tx: Transaction,
    turn: TurnRow,
    stop: { status: 'cancelled' | 'superseded'; deadlineSeconds: number },
  ): Promise<TurnRow> {
    const row = await tx.queryOne<TurnRow>(
      `UPDATE session_turns SET status = 'stopping', stop_status = $4, stop_by = now() + make_interval(secs => $5)
        WHERE project_id = $1 AND session_id = $2 AND turn_id = $3 RETURNING *`,
      [turn.project_id, turn.session_id, turn.turn_id, stop.status, stop.deadlineSeconds],
    );
    return row!;
  }

  /** The row of a turn that is over. A live one leaves the session without owner, watcher and live turn. */
  async endTurn(tx: Transaction, turn: TurnRow, end: TurnEnd): Promise<TurnRow> {
    const row = await tx.queryOne<TurnRow>(
      `UPDATE session_turns SET status = $4, stop_reason = $5, usage = $6, error = $7, epoch = $8,
             ended_at = now(), stop_by = NULL, inbox_position = NULL
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
    await tx.query(
      `UPDATE session_streams SET owner_replica_id = NULL, owner_epoch = NULL, lease_until = NULL,
              current_turn_id = NULL, watcher_id = NULL, watcher_by_id = NULL, attached_at = NULL, sandbox_live = false
        WHERE project_id = $1 AND session_id = $2 AND current_turn_id = $3`,
      [turn.project_id, turn.session_id, turn.turn_id],
    );
    return row!;
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

  /** Turns of a session that went in line, newest first, before `beforeIndex` when given. */
  turns({ project_id, session_id }: SessionKey, beforeIndex: number | undefined, limit: number): Promise<TurnRow[]> {
    return this.unitOfWork.query<TurnRow>(
      `SELECT * FROM session_turns
        WHERE project_id = $1 AND session_id = $2 AND turn_index < coalesce($3::bigint, 2147483648)
        ORDER BY turn_index DESC LIMIT $4`,
      [project_id, session_id, beforeIndex ?? null, limit],
    );
  }

  /** What the session's newest turn that went in line ran, and who could take it. */
  lastRun(tx: Transaction, { project_id, session_id }: SessionKey): Promise<LastRun | undefined> {
    return tx.queryOne<LastRun>(
      `SELECT agent_name, pool FROM session_turns
        WHERE project_id = $1 AND session_id = $2 AND turn_index IS NOT NULL ORDER BY turn_index DESC LIMIT 1`,
      [project_id, session_id],
    );
  }

  /** The last turn that went in line. */
  newestTurn(tx: Transaction, { project_id, session_id }: SessionKey): Promise<TurnRow | undefined> {
    return tx.queryOne<TurnRow>(
      `SELECT * FROM session_turns
        WHERE project_id = $1 AND session_id = $2 AND turn_index IS NOT NULL ORDER BY turn_index DESC LIMIT 1`,
      [project_id, session_id],
    );
  }

  /** The last turn that began the session's conversation anew. */
  lastFreshStart(tx: Transaction, { project_id, session_id }: SessionKey): Promise<FreshStart | undefined> {
    return tx.queryOne<FreshStart>(
      `SELECT turn_id, coalesce(started_at, created_at) AS started_at FROM session_turns
        WHERE project_id = $1 AND session_id = $2 AND turn_index IS NOT NULL
          AND fresh_start AND agent_session_id IS NOT NULL
        ORDER BY turn_index DESC LIMIT 1`,
      [project_id, session_id],
    );
  }

  /** The last turn before this one whose agent told its id of the conversation. */
  turnBefore(tx: Transaction, turn: TurnRow): Promise<TurnBefore | undefined> {
    return tx.queryOne<TurnBefore>(
      `SELECT harness, agent_name, agent_session_id, coalesce(started_at, created_at) AS started_at FROM session_turns
        WHERE project_id = $1 AND session_id = $2 AND turn_index < $3 AND agent_session_id IS NOT NULL
        ORDER BY turn_index DESC LIMIT 1`,
      [turn.project_id, turn.session_id, turn.turn_index],
    );
  }

  /** What the turn was told while it ran, in that order. */
  async mergedPrompts(tx: Transaction, { project_id, session_id, turn_id }: TurnRow): Promise<string[]> {
    const rows = await tx.query<{ prompt: string }>(
      `SELECT prompt FROM session_turns
        WHERE project_id = $1 AND session_id = $2 AND in_turn_of = $3 AND status = 'merged' ORDER BY ended_at, turn_id`,
      [project_id, session_id, turn_id],
    );
    return rows.map(({ prompt }) => prompt);
  }
}
