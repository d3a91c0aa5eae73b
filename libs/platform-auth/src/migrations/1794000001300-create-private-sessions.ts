import type { MigrationInterface, QueryRunner } from 'typeorm';

/** Beside the sessions, so that every list can leave out those of others without another domain's tables. */
export class CreatePrivateSessions1794000001300 implements MigrationInterface {
  async up(runner: QueryRunner): Promise<void> {
    await runner.query(`
      CREATE TABLE private_sessions (
        project_id uuid NOT NULL,
        session_id text NOT NULL,
        owner_id uuid NOT NULL,
        created_at timestamptz NOT NULL DEFAULT now(),
        CONSTRAINT private_sessions_pkey PRIMARY KEY (project_id, session_id)
      )`);
    await runner.query(`COMMENT ON COLUMN private_sessions.owner_id IS 'The one key that sees the session'`);
  }

  async down(runner: QueryRunner): Promise<void> {
    await runner.query(`DROP TABLE private_sessions`);
  }
}
