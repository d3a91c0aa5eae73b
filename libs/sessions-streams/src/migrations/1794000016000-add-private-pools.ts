import type { MigrationInterface, QueryRunner } from 'typeorm';
import { lockTurnTables } from './turn-tables.lock.js';

/** The pool of a runner's own machine, whose turns no other machine takes. */
export class AddPrivatePools1794000016000 implements MigrationInterface {
  async up(runner: QueryRunner): Promise<void> {
    await lockTurnTables(runner);
    await runner.query(`ALTER TABLE runner_replicas ADD COLUMN private_pool text`);
  }

  async down(runner: QueryRunner): Promise<void> {
    await lockTurnTables(runner);
    await runner.query(`ALTER TABLE runner_replicas DROP COLUMN private_pool`);
  }
}
