import { Injectable } from '@nestjs/common';
import { UnitOfWork, type SessionKey, type Transaction } from '@holdfast/platform-postgres';
import type { Delivery } from './session-turn.rules.js';
import {
  NEW_TURN_COLUMNS,
  NEW_TURN_VALUES,
  newTurnParameters,
  type NewTurn,
  type TurnRow,
} from './session-turns.repository.js';

/** Where an entry goes, and why it waits. */
export interface InboxPlace {
  end: 'head' | 'tail';
  delivery: Delivery;
  in_turn_of: string | null;
}

const IN_INBOX = `project_id = $1 AND session_id = $2 AND status = 'inbox'`;

/** The SQL of prompts that wait. */
@Injectable()
export class SessionInboxRepository {
  constructor(private readonly unitOfWork: UnitOfWork) {}

  async insert(tx: Transaction, turn: NewTurn, { end, delivery, in_turn_of }: InboxPlace): Promise<TurnRow> {
    const position = end === 'head' ? 'coalesce(min(inbox_position), 0) - 1' : 'coalesce(max(inbox_position), 0) + 1';
    const row = await tx.queryOne<TurnRow>(
      `INSERT INTO session_turns (status, ${NEW_TURN_COLUMNS}, delivery, in_turn_of, inbox_position)
       SELECT 'inbox', ${NEW_TURN_VALUES}, $18::text, $19::uuid,
              (SELECT ${position} FROM session_turns WHERE ${IN_INBOX}) RETURNING *`,
      [...newTurnParameters(turn), delivery, in_turn_of],
    );
    return row!;
  }

  /** The next one to be promoted, locked. */
  lockHead(tx: Transaction, { project_id, session_id }: SessionKey): Promise<TurnRow | undefined> {
    return tx.queryOne<TurnRow>(
      `SELECT * FROM session_turns WHERE ${IN_INBOX} ORDER BY inbox_position LIMIT 1 FOR UPDATE`,
      [project_id, session_id],
    );
  }

  /** All of them, the next one first, locked. */
  lockAll(tx: Transaction, { project_id, session_id }: SessionKey): Promise<TurnRow[]> {
    return tx.query<TurnRow>(`SELECT * FROM session_turns WHERE ${IN_INBOX} ORDER BY inbox_position FOR UPDATE`, [
      project_id,
      session_id,
    ]);
  }

  /** The next ones first, after `afterPosition` when given. */
  list({ project_id, session_id }: SessionKey, afterPosition: number | undefined, limit: number): Promise<TurnRow[]> {
    return this.unitOfWork.query<TurnRow>(
      `SELECT * FROM session_turns WHERE ${IN_INBOX} AND inbox_position > coalesce($3::bigint, -9007199254740991)
        ORDER BY inbox_position LIMIT $4`,
      [project_id, session_id, afterPosition ?? null, limit],
    );
  }

  async count(tx: Transaction, { project_id, session_id }: SessionKey): Promise<number> {
    const row = await tx.queryOne<{ n: number }>(`SELECT count(*)::int AS n FROM session_turns WHERE ${IN_INBOX}`, [
      project_id,
      session_id,
    ]);
    return row!.n;
  }

  async setOrder(tx: Transaction, { project_id, session_id }: SessionKey, turn_ids: string[]): Promise<void> {
    await tx.query(
      `UPDATE session_turns SET inbox_position = place.position
         FROM unnest($3::uuid[]) WITH ORDINALITY AS place(turn_id, position)
        WHERE ${IN_INBOX} AND session_turns.turn_id = place.turn_id`,
      [project_id, session_id, turn_ids],
    );
  }

  /** Lets a turn that waits go on without its caller. */
  async setDetached(
    tx: Transaction,
    { project_id, session_id }: SessionKey,
    turn_id: string,
    detached: boolean,
  ): Promise<void> {
    await tx.query(`UPDATE session_turns SET detached = $4 WHERE ${IN_INBOX} AND turn_id = $3`, [
      project_id,
      session_id,
      turn_id,
      detached,
    ]);
  }
}
