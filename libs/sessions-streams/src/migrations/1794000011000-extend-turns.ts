import type { MigrationInterface, QueryRunner } from 'typeorm';
import { lockTurnTables } from './turn-tables.lock.js';

const STATUSES = ['queued', 'starting', 'running', 'stopping', 'completed', 'failed', 'cancelled', 'lost'];
const NEW_STATUSES = [...STATUSES, 'inbox', 'merged', 'superseded', 'paused'];

const statusCheck = (statuses: string[]) =>
  `ADD CONSTRAINT session_turns_status_check CHECK (status IN (${statuses.map((status) => `'${status}'`).join(', ')})) NOT VALID`;

/** The inbox, steering, retries of lost turns, push targets, watchers, labels and the cap of a project. */
export class ExtendTurns1794000011000 implements MigrationInterface {
  async up(runner: QueryRunner): Promise<void> {
    await lockTurnTables(runner);
    await runner.query(`
      ALTER TABLE session_turns
        DROP CONSTRAINT session_turns_status_check, ${statusCheck(NEW_STATUSES)},
        ALTER COLUMN turn_index DROP NOT NULL,
        ALTER COLUMN pool DROP NOT NULL,
        ADD COLUMN labels text[] NOT NULL DEFAULT '{}',
        ADD COLUMN push_url text,
        ADD COLUMN detached boolean NOT NULL DEFAULT true,
        ADD COLUMN inbox_position bigint,
        ADD COLUMN delivery text,
        ADD COLUMN log_position bigint NOT NULL DEFAULT 0,
        ADD COLUMN in_turn_of uuid,
        ADD COLUMN resumes_turn_id uuid,
        ADD COLUMN stop_status text,
        ADD COLUMN lost_attempts int NOT NULL DEFAULT 0,
        ADD COLUMN max_attempts int NOT NULL DEFAULT 3,
        ADD CONSTRAINT session_turns_delivery_check CHECK (delivery IN ('queue', 'steer', 'in_turn')) NOT VALID,
        ADD CONSTRAINT session_turns_target_check CHECK ((pool IS NULL) <> (push_url IS NULL)) NOT VALID,
        ADD CONSTRAINT session_turns_index_check CHECK (turn_index IS NOT NULL OR
          status IN ('inbox', 'merged', 'superseded', 'cancelled', 'failed')) NOT VALID,
        ADD CONSTRAINT session_turns_inbox_check CHECK ((status = 'inbox') = (inbox_position IS NOT NULL)) NOT VALID`);
    await runner.query(`
      CREATE INDEX session_turns_inbox ON session_turns (project_id, session_id, inbox_position)
       WHERE status = 'inbox'`);
    await runner.query(`
      ALTER TABLE session_streams
        ADD COLUMN watcher_id uuid,
        ADD COLUMN watcher_by_id uuid,
        ADD COLUMN attached_at timestamptz,
        ADD COLUMN sandbox_live boolean NOT NULL DEFAULT false`);
    await runner.query(`
      CREATE INDEX session_streams_owner ON session_streams (project_id, owner_replica_id)
       WHERE owner_replica_id IS NOT NULL`);
    await runner.query(`
      ALTER TABLE runner_replicas
        ADD COLUMN labels text[] NOT NULL DEFAULT '{}',
        ADD COLUMN capacity int NOT NULL DEFAULT 100,
        ADD COLUMN control_offset text`);
    await runner.query(`
      CREATE TABLE project_turn_slots (
        project_id uuid NOT NULL,
        slot int NOT NULL,
        session_id text,
        CONSTRAINT project_turn_slots_pkey PRIMARY KEY (project_id, slot),
        CONSTRAINT project_turn_slots_session_key UNIQUE (project_id, session_id)
      )`);
  }

  async down(runner: QueryRunner): Promise<void> {
    await lockTurnTables(runner);
    await runner.query(`DROP TABLE project_turn_slots`);
    await runner.query(
      `ALTER TABLE runner_replicas DROP COLUMN labels, DROP COLUMN capacity, DROP COLUMN control_offset`,
    );
    await runner.query(`DROP INDEX session_streams_owner`);
    await runner.query(`
      ALTER TABLE session_streams
        DROP COLUMN watcher_id, DROP COLUMN watcher_by_id, DROP COLUMN attached_at, DROP COLUMN sandbox_live`);
    // What the old form cannot say is left out: prompts that wait, and turns that were pushed.
    await runner.query(`DELETE FROM session_turns WHERE turn_index IS NULL OR pool IS NULL`);
    await runner.query(`UPDATE session_turns SET status = 'cancelled' WHERE status IN ('superseded', 'paused')`);
    await runner.query(`
      ALTER TABLE session_turns
        DROP CONSTRAINT session_turns_status_check, ${statusCheck(STATUSES)},
        DROP CONSTRAINT session_turns_delivery_check,
        DROP CONSTRAINT session_turns_target_check,
        DROP CONSTRAINT session_turns_index_check,
        DROP CONSTRAINT session_turns_inbox_check,
        ALTER COLUMN turn_index SET NOT NULL,
        ALTER COLUMN pool SET NOT NULL,
        DROP COLUMN labels, DROP COLUMN push_url, DROP COLUMN detached, DROP COLUMN inbox_position,
        DROP COLUMN delivery, DROP COLUMN log_position,
        DROP COLUMN in_turn_of, DROP COLUMN resumes_turn_id, DROP COLUMN stop_status,
        DROP COLUMN lost_attempts, DROP COLUMN max_attempts`);
  }
}
