import type { MigrationInterface, QueryRunner } from 'typeorm';

/** Beside the answer of a request that was done, how one was refused: at most one of the two. */
export class RememberRefusals1794000050000 implements MigrationInterface {
  async up(runner: QueryRunner): Promise<void> {
    // Whoever uses a key meanwhile goes first: the migration is tried again.
    await runner.query(`SET LOCAL lock_timeout = '400ms'`);
    await runner.query(`ALTER TABLE idempotency_keys ADD COLUMN refusal jsonb`);
  }

  async down(runner: QueryRunner): Promise<void> {
    await runner.query(`SET LOCAL lock_timeout = '400ms'`);
    // What the old form cannot say may be tried again.
    await runner.query(`DELETE FROM idempotency_keys WHERE refusal IS NOT NULL`);
    await runner.query(`ALTER TABLE idempotency_keys DROP COLUMN refusal`);
  }
}
