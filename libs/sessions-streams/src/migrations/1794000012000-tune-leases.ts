import type { MigrationInterface, QueryRunner } from 'typeorm';
import { lockTurnTables } from './turn-tables.lock.js';

/**
 * Beats are cheap: no index names what a beat writes, and pages keep room for it, so that PostgreSQL updates the row in
 * place (a heap-only tuple). Owners are found by `session_streams_owner`, which holds the live turns only.
 */
export class TuneLeases1794000012000 implements MigrationInterface {
  async up(runner: QueryRunner): Promise<void> {
    // Those of the migration before. They read the whole table, and block neither readers nor writers.
    for (const part of ['status', 'delivery', 'target', 'index', 'inbox']) {
      await runner.query(`ALTER TABLE session_turns VALIDATE CONSTRAINT session_turns_${part}_check`);
    }
    await lockTurnTables(runner);
    await runner.query(`
      ALTER TABLE session_streams ADD COLUMN owner_epoch bigint, SET (fillfactor = 50)`);
    await runner.query(`
      UPDATE session_streams s SET owner_epoch = t.epoch FROM session_turns t
       WHERE s.owner_replica_id IS NOT NULL AND t.project_id = s.project_id AND t.turn_id = s.current_turn_id`);
    await runner.query(`DROP INDEX session_streams_lease`);
    await runner.query(`ALTER TABLE session_turns ADD COLUMN handed_over_epoch bigint`);
  }

  async down(runner: QueryRunner): Promise<void> {
    await lockTurnTables(runner);
    await runner.query(`ALTER TABLE session_turns DROP COLUMN handed_over_epoch`);
    await runner.query(
      `CREATE INDEX session_streams_lease ON session_streams (lease_until) WHERE lease_until IS NOT NULL`,
    );
    await runner.query(`ALTER TABLE session_streams DROP COLUMN owner_epoch, RESET (fillfactor)`);
  }
}
