import { Injectable } from '@nestjs/common';
import { v7 as uuidv7 } from 'uuid';
import {
  bindTo,
  UnitOfWork,
  type SessionFilter,
  type SessionKey,
  type Transaction,
  type TurnFence,
} from '@holdfast/platform-postgres';
import type { SessionInteractionQuery } from './dto/session-interaction-query.dto.js';
import type { SessionInteractionRequest } from './dto/session-interaction-request.dto.js';
import type { InteractionKind } from './dto/session-interaction.dto.js';
import type { InteractionStatus } from './session-interaction.rules.js';
import type { Verdict } from './verdict.rules.js';

/** A question as a runner brings it. */
export interface InteractionQuestion {
  token: string;
  kind: InteractionKind;
  request: SessionInteractionRequest;
}

/** A row of session_interactions. */
export interface InteractionRow extends TurnFence, InteractionQuestion {
  id: string;
  status: InteractionStatus;
  verdict: Verdict | null;
  created_at: Date;
  responded_at: Date | null;
  responded_by_id: string | null;
  delivered_at: Date | null;
  resolved_at: Date | null;
  cancelled_at: Date | null;
  cancel_reason: string | null;
}

/** Names one interaction. */
type InteractionKey = Pick<InteractionRow, 'project_id' | 'id'>;

/** The SQL of interactions. */
@Injectable()
export class SessionInteractionsRepository {
  constructor(private readonly unitOfWork: UnitOfWork) {}

  /** Undefined when the session has the token already; waits for whoever is writing it at this moment. */
  insert(tx: Transaction, fence: TurnFence, question: InteractionQuestion): Promise<InteractionRow | undefined> {
    return tx.queryOne<InteractionRow>(
      `INSERT INTO session_interactions (project_id, id, session_id, turn_id, epoch, token, kind, status, request)
       VALUES ($1, $2, $3, $4, $5, $6, $7, 'pending', $8)
       ON CONFLICT (project_id, session_id, token) DO NOTHING RETURNING *`,
      [
        fence.project_id,
        uuidv7(),
        fence.session_id,
        fence.turn_id,
        fence.epoch,
        question.token,
        question.kind,
        JSON.stringify(question.request),
      ],
    );
  }

  findByToken(
    tx: Transaction,
    { project_id, session_id }: SessionKey,
    token: string,
  ): Promise<InteractionRow | undefined> {
    return tx.queryOne<InteractionRow>(
      `SELECT * FROM session_interactions WHERE project_id = $1 AND session_id = $2 AND token = $3`,
      [project_id, session_id, token],
    );
  }

  find(
    queries: Pick<Transaction, 'queryOne'>,
    { project_id, id }: InteractionKey,
  ): Promise<InteractionRow | undefined> {
    return queries.queryOne<InteractionRow>(`SELECT * FROM session_interactions WHERE project_id = $1 AND id = $2`, [
      project_id,
      id,
    ]);
  }

  lock(tx: Transaction, { project_id, id }: InteractionKey): Promise<InteractionRow | undefined> {
    return tx.queryOne<InteractionRow>(
      `SELECT * FROM session_interactions WHERE project_id = $1 AND id = $2 FOR UPDATE`,
      [project_id, id],
    );
  }

  async markResponded(
    tx: Transaction,
    { project_id, id }: InteractionKey,
    answer: { verdict: Verdict; by_id: string; isDelivered: boolean },
  ): Promise<InteractionRow> {
    const row = await tx.queryOne<InteractionRow>(
      `UPDATE session_interactions
          SET status = 'responded', verdict = $3, responded_by_id = $4, responded_at = now(),
              delivered_at = CASE WHEN $5 THEN now() END
        WHERE project_id = $1 AND id = $2 RETURNING *`,
      [project_id, id, JSON.stringify(answer.verdict), answer.by_id, answer.isDelivered],
    );
    return row!;
  }

  async markResolved(tx: Transaction, { project_id, id }: InteractionKey): Promise<InteractionRow> {
    const row = await tx.queryOne<InteractionRow>(
      `UPDATE session_interactions SET status = 'resolved', resolved_at = now()
        WHERE project_id = $1 AND id = $2 RETURNING *`,
      [project_id, id],
    );
    return row!;
  }

  /** Cancels a turn's interactions that are in one of `statuses`, locking them by id; returns them in that order. */
  cancelOfTurn(
    tx: Transaction,
    { project_id, turn_id }: Pick<TurnFence, 'project_id' | 'turn_id'>,
    statuses: InteractionStatus[],
    reason: string,
  ): Promise<InteractionRow[]> {
    return tx.query<InteractionRow>(
      `WITH open AS MATERIALIZED (
         SELECT id FROM session_interactions
          WHERE project_id = $1 AND turn_id = $2 AND status = ANY($3) ORDER BY id FOR UPDATE),
       cancelled AS (
         UPDATE session_interactions i SET status = 'cancelled', cancelled_at = now(), cancel_reason = $4
           FROM open WHERE i.project_id = $1 AND i.id = open.id RETURNING i.*)
       SELECT * FROM cancelled ORDER BY id`,
      [project_id, turn_id, statuses, reason],
    );
  }

  /** How many questions of a turn nobody has answered. */
  async countPending(
    tx: Transaction,
    { project_id, turn_id }: Pick<TurnFence, 'project_id' | 'turn_id'>,
  ): Promise<number> {
    const row = await tx.queryOne<{ count: number }>(
      `SELECT count(*)::int AS count FROM session_interactions
        WHERE project_id = $1 AND turn_id = $2 AND status = 'pending'`,
      [project_id, turn_id],
    );
    return row!.count;
  }

  async deleteSession(tx: Transaction, { project_id, session_id }: SessionKey): Promise<void> {
    await tx.query(`DELETE FROM session_interactions WHERE project_id = $1 AND session_id = $2`, [
      project_id,
      session_id,
    ]);
  }

  /** Newest first, which is by id: ids are UUIDv7. Before the interaction `beforeId` when given. */
  list(
    project_id: string,
    { session_id, turn_id, status }: Omit<SessionInteractionQuery, 'cursor' | 'limit'>,
    beforeId: string | undefined,
    limit: number,
    isSeen: SessionFilter = () => 'true',
  ): Promise<InteractionRow[]> {
    const values: unknown[] = [project_id, session_id, turn_id, status, beforeId, limit];
    return this.unitOfWork.query<InteractionRow>(
      `SELECT * FROM session_interactions
        WHERE project_id = $1
          AND ($2::text IS NULL OR session_id = $2)
          AND ($3::uuid IS NULL OR turn_id = $3)
          AND ($4::text IS NULL OR status = $4)
          AND ($5::uuid IS NULL OR id < $5)
          AND ${isSeen('session_interactions.session_id', bindTo(values))}
        ORDER BY id DESC LIMIT $6`,
      values,
    );
  }
}
