import type { MigrationInterface, QueryRunner } from 'typeorm';

/** Lists of sessions that are in use, or that are archived, pass over none of the others. Built beside whoever writes. */
export class ListArchivedSessions1794000003200 implements MigrationInterface {
  readonly transaction = false;

  async up(runner: QueryRunner): Promise<void> {
    // What a try left half made that was cut off.
    await runner.query(`DROP INDEX CONCURRENTLY IF EXISTS sessions_newest_in_use`);
    await runner.query(`
      CREATE INDEX CONCURRENTLY sessions_newest_in_use ON sessions (project_id, created_at DESC, session_id DESC)
       WHERE deleted_at IS NULL AND archived_at IS NULL`);
    await runner.query(`DROP INDEX CONCURRENTLY IF EXISTS sessions_newest_archived`);
    await runner.query(`
      CREATE INDEX CONCURRENTLY sessions_newest_archived ON sessions (project_id, created_at DESC, session_id DESC)
       WHERE deleted_at IS NULL AND archived_at IS NOT NULL`);
  }

  async down(runner: QueryRunner): Promise<void> {
    await runner.query(`DROP INDEX sessions_newest_archived, sessions_newest_in_use`);
  }
}
