import type { MigrationInterface, QueryRunner } from 'typeorm';

/** Who ever looked at which session: a participant is in one session at a time, and has a place in all it was in. */
export class CreateSessionVisits1794000063000 implements MigrationInterface {
  async up(runner: QueryRunner): Promise<void> {
    await runner.query(`
      CREATE TABLE session_visits (
        project_id uuid NOT NULL,
        session_id text NOT NULL,
        join_order bigint NOT NULL,
        participant_id uuid NOT NULL,
        CONSTRAINT session_visits_pkey PRIMARY KEY (project_id, session_id, participant_id),
        CONSTRAINT session_visits_order_key UNIQUE (project_id, session_id, join_order),
        CONSTRAINT session_visits_participant_fkey FOREIGN KEY (project_id, participant_id)
          REFERENCES share_participants (project_id, participant_id)
      )`);
    await runner.query(`CREATE INDEX session_visits_of_participant ON session_visits (project_id, participant_id)`);
    await runner.query(`CREATE INDEX shares_ended ON shares (ended_at) WHERE ended_at IS NOT NULL`);
  }

  async down(runner: QueryRunner): Promise<void> {
    await runner.query(`DROP INDEX shares_ended`);
    await runner.query(`DROP TABLE session_visits`);
  }
}
