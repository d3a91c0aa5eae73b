import type { MigrationInterface, QueryRunner } from 'typeorm';
import { lockTurnTables } from './turn-tables.lock.js';

/** By which claim a turn got its owner, so that a claim whose answer got lost is answered again. */
export class NameClaims1794000051000 implements MigrationInterface {
  async up(runner: QueryRunner): Promise<void> {
    await lockTurnTables(runner);
    await runner.query(`ALTER TABLE session_turns ADD COLUMN claim_id uuid`);
  }

  async down(runner: QueryRunner): Promise<void> {
    await lockTurnTables(runner);
    await runner.query(`ALTER TABLE session_turns DROP COLUMN claim_id`);
  }
}
