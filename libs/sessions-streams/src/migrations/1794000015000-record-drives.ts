import type { MigrationInterface, QueryRunner } from 'typeorm';
import { lockTurnTables } from './turn-tables.lock.js';

/** How a turn's harness was driven, and what became of its agent's questions. */
export class RecordDrives1794000015000 implements MigrationInterface {
  async up(runner: QueryRunner): Promise<void> {
    await lockTurnTables(runner);
    await runner.query(`
      ALTER TABLE session_turns
        ADD COLUMN drive text NOT NULL DEFAULT 'acp',
        ADD COLUMN approvals text NOT NULL DEFAULT 'ask'`);
  }

  async down(runner: QueryRunner): Promise<void> {
    await lockTurnTables(runner);
    await runner.query(`ALTER TABLE session_turns DROP COLUMN drive, DROP COLUMN approvals`);
  }
}
