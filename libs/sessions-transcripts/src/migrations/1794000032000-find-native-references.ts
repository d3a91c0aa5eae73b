import type { MigrationInterface, QueryRunner } from 'typeorm';

/** Finds who refers to a blob, and what is under way in a session; the indexes are built beside whoever writes. */
export class FindNativeReferences1794000032000 implements MigrationInterface {
  readonly transaction = false;

  async up(runner: QueryRunner): Promise<void> {
    // What a try left half made that was cut off.
    await runner.query(`DROP INDEX CONCURRENTLY IF EXISTS native_chunks_blob`);
    await runner.query(`CREATE INDEX CONCURRENTLY native_chunks_blob ON native_chunks (project_id, sha256)`);
    await runner.query(`DROP INDEX CONCURRENTLY IF EXISTS native_saves_session`);
    await runner.query(`CREATE INDEX CONCURRENTLY native_saves_session ON native_saves (project_id, session_id)`);
  }

  async down(runner: QueryRunner): Promise<void> {
    await runner.query(`DROP INDEX native_saves_session, native_chunks_blob`);
  }
}
