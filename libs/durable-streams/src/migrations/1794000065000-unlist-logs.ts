import type { MigrationInterface, QueryRunner } from 'typeorm';

/** Logs that not everybody in the project may know of must not be told to whoever subscribes to a pattern. */
export class UnlistLogs1794000065000 implements MigrationInterface {
  async up(runner: QueryRunner): Promise<void> {
    // Whoever holds a log meanwhile goes first: the migration is tried again.
    await runner.query(`SET LOCAL lock_timeout = '400ms'`);
    await runner.query(`ALTER TABLE log_streams ADD COLUMN unlisted boolean NOT NULL DEFAULT false`);
    await runner.query(`
      COMMENT ON COLUMN log_streams.unlisted IS 'Whether subscriptions have it by its name only, whatever their patterns'`);
  }

  async down(runner: QueryRunner): Promise<void> {
    await runner.query(`SET LOCAL lock_timeout = '400ms'`);
    await runner.query(`ALTER TABLE log_streams DROP COLUMN unlisted`);
  }
}
