import type { Transaction } from '@holdfast/platform-postgres';

/** Any number: sets these locks apart from other advisory locks of the database. */
const LOCK_CLASS = 7_203_115;

/**
 * Gives the maintenance of one log to one worker until the transaction ends; false when another one has it. Two logs
 * that share a lock by chance only wait for each other's next round. Appends, reads and deletes never ask for it.
 */
export async function claimLog(tx: Transaction, log_id: number): Promise<boolean> {
  const row = await tx.queryOne<{ claimed: boolean }>(
    `SELECT pg_try_advisory_xact_lock($1::int, ($2::bigint % 2147483647)::int) AS claimed`,
    [LOCK_CLASS, log_id],
  );
  return row!.claimed;
}
