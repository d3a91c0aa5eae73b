import type { MigrationInterface, QueryRunner } from 'typeorm';

export class CreateTranscripts1794000030000 implements MigrationInterface {
  async up(runner: QueryRunner): Promise<void> {
    await runner.query(`
      CREATE TABLE session_records (
        project_id uuid NOT NULL,
        session_id text NOT NULL,
        generation int NOT NULL,
        position bigint NOT NULL,
        turn_id uuid,
        type text NOT NULL,
        content jsonb NOT NULL,
        started_at timestamptz NOT NULL,
        ended_at timestamptz NOT NULL,
        last_position bigint NOT NULL,
        created_at timestamptz NOT NULL DEFAULT now(),
        CONSTRAINT session_records_pkey PRIMARY KEY (project_id, session_id, generation, position)
      )`);
    await runner.query(`
      CREATE INDEX session_records_turn ON session_records (project_id, session_id, generation, turn_id, position)`);
    // json, not jsonb: a chunk may end in half a surrogate pair, which must come back as it was to meet its other half.
    await runner.query(`
      CREATE TABLE session_transcripts (
        project_id uuid NOT NULL,
        session_id text NOT NULL,
        generation int NOT NULL,
        projected_position bigint NOT NULL,
        open_items json NOT NULL,
        updated_at timestamptz NOT NULL DEFAULT now(),
        CONSTRAINT session_transcripts_pkey PRIMARY KEY (project_id, session_id)
      )`);
  }

  async down(runner: QueryRunner): Promise<void> {
    await runner.query(`DROP TABLE session_transcripts, session_records`);
  }
}
