import type { QueryRunner } from 'typeorm';

/** For two of the three tables together still less than `deadlock_timeout` (1 s). */
const PATIENCE_MS = 400;

/**
 * Takes the tables of turns for a migration, in the order in which a turn is started. It gives up, to be tried again,
 * before PostgreSQL looks for a deadlock: what the application does in another order goes on.
 */
export async function lockTurnTables(runner: QueryRunner): Promise<void> {
  // No work of the application waits for this one, and a vacuum that is under way gives up for whoever waits long enough.
  await runner.query(`LOCK TABLE session_streams, session_turns, runner_replicas IN SHARE UPDATE EXCLUSIVE MODE`);
  await runner.query(`SET LOCAL lock_timeout = ${PATIENCE_MS}`);
  await runner.query(`LOCK TABLE session_streams, session_turns, runner_replicas IN ACCESS EXCLUSIVE MODE`);
}
