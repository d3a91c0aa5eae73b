import { Injectable } from '@nestjs/common';
import { defineError } from '@holdfast/platform-errors';
import { SessionNotFound } from './session-id.js';
import type { SessionKey, TurnFence } from './session-key.js';
import type { Transaction } from './transaction.js';

/** The epoch stays when an owner ends its turn by itself. */
const whyStale = (session_id: string, epoch: number, current: number) =>
  epoch === current
    ? `The turn that epoch ${epoch} of session "${session_id}" was for is over.`
    : `Epoch ${epoch} does not own session "${session_id}" (its epoch is ${current}).`;

/** Somebody else owns the session now, or the turn is over; the writer must stop. */
export const StaleEpoch = defineError<{ session_id: string; epoch: number; current: number }>({
  code: 'stale_epoch',
  kind: 'forbidden',
  title: 'Stale epoch',
  detail: ({ session_id, epoch, current }) => `${whyStale(session_id, epoch, current)} Stop writing for this turn.`,
  members: ({ epoch, current }) => ({ epoch, current_epoch: current }),
});

interface LockedFence {
  epoch: number;
  is_deleted: boolean;
}

const epochOf = (fence: LockedFence | undefined) => (fence?.is_deleted ? undefined : fence?.epoch);

/**
 * The one fence of a session: a number that grows on every claim and on every forced end.
 *
 * A write made for a turn holds the row FOR SHARE until its commit, so it cannot commit after the epoch has moved;
 * whoever moves the epoch updates the row. Heartbeats never touch it. Fences are the first lock of any transaction, after
 * the idempotency key where there is one.
 *
 * The fence of a deleted session stays, under an epoch that was nobody's, so that nothing late gets past it. A session
 * that is made again goes on with it.
 */
@Injectable()
export class SessionFences {
  /** Makes the fence of a new session at epoch 0; leaves an existing one as it is. */
  async ensure(tx: Transaction, { project_id, session_id }: SessionKey): Promise<void> {
    await tx.query(`INSERT INTO session_fences (project_id, session_id) VALUES ($1, $2) ON CONFLICT DO NOTHING`, [
      project_id,
      session_id,
    ]);
  }

  /** Locks the fence for a transaction that may move it. Undefined when the session was never made, or is deleted. */
  async lock(tx: Transaction, { project_id, session_id }: SessionKey): Promise<number | undefined> {
    const row = await tx.queryOne<LockedFence>(
      `SELECT epoch, is_deleted FROM session_fences WHERE project_id = $1 AND session_id = $2 FOR UPDATE`,
      [project_id, session_id],
    );
    return epochOf(row);
  }

  /** Like `lock`, but gives up at once when somebody else is at work on the session. */
  async tryLock(tx: Transaction, { project_id, session_id }: SessionKey): Promise<number | undefined> {
    const row = await tx.queryOne<LockedFence>(
      `SELECT epoch, is_deleted FROM session_fences WHERE project_id = $1 AND session_id = $2 FOR UPDATE SKIP LOCKED`,
      [project_id, session_id],
    );
    return epochOf(row);
  }

  /** Moves the epoch: from the commit on, every write under an older one is refused. */
  async advance(tx: Transaction, { project_id, session_id }: SessionKey): Promise<number> {
    const row = await tx.queryOne<{ epoch: number }>(
      `UPDATE session_fences SET epoch = epoch + 1 WHERE project_id = $1 AND session_id = $2 RETURNING epoch`,
      [project_id, session_id],
    );
    if (!row) throw new Error(`session "${session_id}" has no fence`);
    return row.epoch;
  }

  /** Moves the epoch for the last time of this life of the session: from the commit on there is none. */
  async close(tx: Transaction, { project_id, session_id }: SessionKey): Promise<void> {
    await tx.query(
      `UPDATE session_fences SET epoch = epoch + 1, is_deleted = true WHERE project_id = $1 AND session_id = $2`,
      [project_id, session_id],
    );
  }

  /** Begins another life of a deleted session, under its locked fence. */
  async reopen(tx: Transaction, { project_id, session_id }: SessionKey): Promise<void> {
    await tx.query(`UPDATE session_fences SET is_deleted = false WHERE project_id = $1 AND session_id = $2`, [
      project_id,
      session_id,
    ]);
  }

  /** Keeps who owns the session, or that nobody does, until the commit. Errors: session_not_found. */
  async share(tx: Transaction, { project_id, session_id }: SessionKey): Promise<void> {
    const row = await tx.queryOne<LockedFence>(
      `SELECT epoch, is_deleted FROM session_fences WHERE project_id = $1 AND session_id = $2 FOR SHARE`,
      [project_id, session_id],
    );
    if (epochOf(row) === undefined) throw SessionNotFound({ session_id });
  }

  /** Lets a write through only for the present owner, and keeps it the owner until the commit. Errors: stale_epoch, session_not_found. */
  async hold(tx: Transaction, fence: TurnFence): Promise<void> {
    const row = await tx.queryOne<{ epoch: number }>(
      `SELECT epoch FROM session_fences WHERE project_id = $1 AND session_id = $2 FOR SHARE`,
      [fence.project_id, fence.session_id],
    );
    if (!row) throw SessionNotFound({ session_id: fence.session_id });
    if (row.epoch !== fence.epoch) {
      throw StaleEpoch({ session_id: fence.session_id, epoch: fence.epoch, current: row.epoch });
    }
  }
}
