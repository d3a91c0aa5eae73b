import type { MigrationInterface, QueryRunner } from 'typeorm';

/** `created_at` has milliseconds, as cursors have: one that were finer would lose rows between two pages. */
export class CreateSessions1794000003000 implements MigrationInterface {
  async up(runner: QueryRunner): Promise<void> {
    await runner.query(`
      CREATE TABLE sessions (
        project_id uuid NOT NULL,
        session_id text NOT NULL,
        generation int NOT NULL DEFAULT 1,
        name text,
        labels jsonb NOT NULL,
        created_at timestamptz(3) NOT NULL DEFAULT now(),
        updated_at timestamptz(3) NOT NULL DEFAULT now(),
        deleted_at timestamptz(3),
        created_by_id uuid NOT NULL,
        updated_by_id uuid NOT NULL,
        deleted_by_id uuid,
        CONSTRAINT sessions_pkey PRIMARY KEY (project_id, session_id),
        CONSTRAINT sessions_session_id_check CHECK (session_id ~ '^[A-Za-z0-9_-]{1,128}$')
      )`);
    await runner.query(`
      CREATE INDEX sessions_newest ON sessions (project_id, created_at DESC, session_id DESC) WHERE deleted_at IS NULL`);
  }

  async down(runner: QueryRunner): Promise<void> {
    await runner.query(`DROP TABLE sessions`);
  }
}
