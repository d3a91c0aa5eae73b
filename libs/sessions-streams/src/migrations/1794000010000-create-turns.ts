import type { MigrationInterface, QueryRunner } from 'typeorm';

export class CreateTurns1794000010000 implements MigrationInterface {
  async up(runner: QueryRunner): Promise<void> {
    await runner.query(`
      CREATE TABLE session_streams (
        project_id uuid NOT NULL,
        session_id text NOT NULL,
        turn_count int NOT NULL DEFAULT 0,
        current_turn_id uuid,
        owner_replica_id uuid,
        lease_until timestamptz,
        last_heartbeat_at timestamptz,
        created_at timestamptz NOT NULL DEFAULT now(),
        CONSTRAINT session_streams_pkey PRIMARY KEY (project_id, session_id)
      )`);
    await runner.query(
      `CREATE INDEX session_streams_lease ON session_streams (lease_until) WHERE lease_until IS NOT NULL`,
    );
    await runner.query(`
      CREATE TABLE session_turns (
        project_id uuid NOT NULL,
        turn_id uuid NOT NULL,
        session_id text NOT NULL,
        turn_index int NOT NULL,
        status text NOT NULL,
        pool text NOT NULL,
        agent_name text NOT NULL,
        agent_revision int NOT NULL,
        harness text NOT NULL,
        prompt text NOT NULL,
        attempt int NOT NULL DEFAULT 0,
        epoch bigint,
        replica_id uuid,
        agent_session_id text,
        stop_reason text,
        usage jsonb,
        error jsonb,
        stop_by timestamptz,
        created_at timestamptz NOT NULL DEFAULT now(),
        created_by_id uuid NOT NULL,
        started_at timestamptz,
        ended_at timestamptz,
        CONSTRAINT session_turns_pkey PRIMARY KEY (project_id, turn_id),
        CONSTRAINT session_turns_index_key UNIQUE (project_id, session_id, turn_index),
        CONSTRAINT session_turns_status_check CHECK (status IN
          ('queued', 'starting', 'running', 'stopping', 'completed', 'failed', 'cancelled', 'lost'))
      )`);
    await runner.query(`
      CREATE UNIQUE INDEX session_turns_one_live ON session_turns (project_id, session_id)
       WHERE status IN ('queued', 'starting', 'running', 'stopping')`);
    await runner.query(`
      CREATE INDEX session_turns_queued ON session_turns (project_id, pool, created_at) WHERE status = 'queued'`);
    await runner.query(`CREATE INDEX session_turns_stopping ON session_turns (stop_by) WHERE status = 'stopping'`);
    await runner.query(`
      CREATE TABLE runner_replicas (
        project_id uuid NOT NULL,
        replica_id uuid NOT NULL,
        key_id uuid NOT NULL,
        pools text[] NOT NULL,
        registered_at timestamptz NOT NULL DEFAULT now(),
        seen_at timestamptz NOT NULL DEFAULT now(),
        CONSTRAINT runner_replicas_pkey PRIMARY KEY (project_id, replica_id)
      )`);
  }

  async down(runner: QueryRunner): Promise<void> {
    await runner.query(`DROP TABLE runner_replicas, session_turns, session_streams`);
  }
}
