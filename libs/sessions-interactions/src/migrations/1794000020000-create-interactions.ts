import type { MigrationInterface, QueryRunner } from 'typeorm';

export class CreateInteractions1794000020000 implements MigrationInterface {
  async up(runner: QueryRunner): Promise<void> {
    await runner.query(`
      CREATE TABLE session_interactions (
        project_id uuid NOT NULL,
        id uuid NOT NULL,
        session_id text NOT NULL,
        turn_id uuid NOT NULL,
        epoch bigint NOT NULL,
        token text NOT NULL,
        kind text NOT NULL,
        status text NOT NULL,
        request jsonb NOT NULL,
        verdict jsonb,
        created_at timestamptz NOT NULL DEFAULT now(),
        responded_at timestamptz,
        responded_by_id uuid,
        delivered_at timestamptz,
        resolved_at timestamptz,
        cancelled_at timestamptz,
        cancel_reason text,
        CONSTRAINT session_interactions_pkey PRIMARY KEY (project_id, id),
        CONSTRAINT session_interactions_token_key UNIQUE (project_id, session_id, token),
        CONSTRAINT session_interactions_status_check CHECK (status IN ('pending', 'responded', 'resolved', 'cancelled')),
        CONSTRAINT session_interactions_verdict_check CHECK ((status IN ('responded', 'resolved')) = (verdict IS NOT NULL))
      )`);
    await runner.query(`
      CREATE INDEX session_interactions_of_session ON session_interactions (project_id, session_id, id)`);
    await runner.query(`CREATE INDEX session_interactions_of_turn ON session_interactions (project_id, turn_id, id)`);
    await runner.query(`
      CREATE INDEX session_interactions_pending ON session_interactions (project_id, id) WHERE status = 'pending'`);
  }

  async down(runner: QueryRunner): Promise<void> {
    await runner.query(`DROP TABLE session_interactions`);
  }
}
