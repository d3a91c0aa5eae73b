import type { MigrationInterface, QueryRunner } from 'typeorm';

/** The fence of a deleted session stays, so that nobody who was late finds it unguarded; this says that it guards nothing. */
export class MarkDeletedFences1794000050500 implements MigrationInterface {
  async up(runner: QueryRunner): Promise<void> {
    // Whoever holds a fence meanwhile goes first: the migration is tried again.
    await runner.query(`SET LOCAL lock_timeout = '400ms'`);
    await runner.query(`ALTER TABLE session_fences ADD COLUMN is_deleted boolean NOT NULL DEFAULT false`);
  }

  async down(runner: QueryRunner): Promise<void> {
    await runner.query(`SET LOCAL lock_timeout = '400ms'`);
    await runner.query(`ALTER TABLE session_fences DROP COLUMN is_deleted`);
  }
}
