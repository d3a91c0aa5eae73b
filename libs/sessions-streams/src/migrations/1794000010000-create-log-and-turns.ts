import type { MigrationInterface, QueryRunner } from 'typeorm';

export class CreateLogAndTurns1794000010000 implements MigrationInterface {
  async up(runner: QueryRunner): Promise<void> {
    await runner.query(`
      CREATE TABLE log_streams (
        project_id uuid NOT NULL,
        path text NOT NULL,
        id bigint GENERATED ALWAYS AS IDENTITY,
        generation int NOT NULL,
        tail bigint NOT NULL DEFAULT 0,
        first bigint NOT NULL DEFAULT 0,
        epoch bigint,
        turn_id uuid,
        projected bigint,
        created_at timestamptz NOT NULL DEFAULT now(),
        CONSTRAINT log_streams_pkey PRIMARY KEY (project_id, path),
        CONSTRAINT log_streams_id_key UNIQUE (project_id, id)
      )`);
    await runner.query(
      `COMMENT ON COLUMN log_streams.epoch IS 'Copy of the session fence while a turn may write; null: nobody may'`,
    );
    await runner.query(
      `COMMENT ON COLUMN log_streams.projected IS 'How far the transcript has read; null: nobody projects this log'`,
    );
    await runner.query(`CREATE INDEX log_streams_lagging ON log_streams (project_id, path) WHERE projected < tail`);
    await runner.query(`
      CREATE TABLE log_segments (
        project_id uuid NOT NULL,
        log_id bigint NOT NULL,
        upto bigint NOT NULL,
        start bigint NOT NULL,
        lengths int[] NOT NULL,
        body bytea NOT NULL,
        created_at timestamptz NOT NULL DEFAULT now(),
        CONSTRAINT log_segments_pkey PRIMARY KEY (project_id, log_id, upto)
      )`);
    await runner.query(`
      CREATE TABLE log_producers (
        project_id uuid NOT NULL,
        log_id bigint NOT NULL,
        producer_id text NOT NULL,
        epoch bigint NOT NULL,
        seq bigint NOT NULL,
        CONSTRAINT log_producers_pkey PRIMARY KEY (project_id, log_id, producer_id)
      ) WITH (fillfactor = 50)`);
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
    await runner.query(
      `DROP TABLE runner_replicas, session_turns, session_streams, log_producers, log_segments, log_streams`,
    );
  }
}
