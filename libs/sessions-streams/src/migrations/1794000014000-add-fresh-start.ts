import type { MigrationInterface, QueryRunner } from 'typeorm';
import { lockTurnTables } from './turn-tables.lock.js';

/** A turn may be asked to begin a conversation of its own. */
export class AddFreshStart1794000014000 implements MigrationInterface {
  async up(runner: QueryRunner): Promise<void> {
    await lockTurnTables(runner);
    await runner.query(`ALTER TABLE session_turns ADD COLUMN fresh_start boolean NOT NULL DEFAULT false`);
  }

  async down(runner: QueryRunner): Promise<void> {
    await lockTurnTables(runner);
    await runner.query(`ALTER TABLE session_turns DROP COLUMN fresh_start`);
  }
}
