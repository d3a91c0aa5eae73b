import type { MigrationInterface, QueryRunner } from 'typeorm';

/** Whether a session is archived, and by whom. */
export class ArchiveSessions1794000003100 implements MigrationInterface {
  async up(runner: QueryRunner): Promise<void> {
    // Whoever makes or reads sessions meanwhile goes first: the migration is tried again.
    await runner.query(`SET LOCAL lock_timeout = '400ms'`);
    await runner.query(`
      ALTER TABLE sessions
        ADD COLUMN archived_at timestamptz(3),
        ADD COLUMN archived_by_id uuid`);
  }

  async down(runner: QueryRunner): Promise<void> {
    await runner.query(`SET LOCAL lock_timeout = '400ms'`);
    await runner.query(`ALTER TABLE sessions DROP COLUMN archived_at, DROP COLUMN archived_by_id`);
  }
}
