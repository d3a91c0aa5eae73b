import type { MigrationInterface, QueryRunner } from 'typeorm';

/** Trees of tasks, what is told of them, and what their agents write to each other. */
export class CreateTasks1794000060000 implements MigrationInterface {
  async up(runner: QueryRunner): Promise<void> {
    await runner.query(`
      CREATE TABLE tasks (
        project_id uuid NOT NULL,
        task_id uuid NOT NULL,
        parent_task_id uuid,
        root_task_id uuid NOT NULL,
        ancestor_ids uuid[] NOT NULL,
        depth integer NOT NULL,
        spawn_order integer NOT NULL,
        spawn_path integer[] NOT NULL,
        children_count integer NOT NULL DEFAULT 0,
        name text,
        title text,
        prompt text,
        location text NOT NULL,
        state text NOT NULL,
        error jsonb,
        session_id text,
        agent_name text,
        agent_revision integer,
        harness text,
        source text NOT NULL,
        turn_id uuid,
        turn_index integer,
        turn_ended boolean NOT NULL DEFAULT false,
        wait_id uuid,
        waiting_until timestamptz,
        stopping text,
        stopping_by_id uuid,
        has_activity_log boolean NOT NULL DEFAULT false,
        created_at timestamptz NOT NULL DEFAULT now(),
        created_by_id uuid,
        started_at timestamptz,
        ended_at timestamptz,
        updated_at timestamptz NOT NULL DEFAULT now(),
        updated_by_id uuid,
        CONSTRAINT tasks_pkey PRIMARY KEY (project_id, task_id),
        CONSTRAINT tasks_path_key UNIQUE (project_id, root_task_id, spawn_path),
        CONSTRAINT tasks_place_check CHECK
          (cardinality(ancestor_ids) = depth AND cardinality(spawn_path) = depth
            AND (parent_task_id IS NULL) = (depth = 0) AND (root_task_id = task_id) = (depth = 0)),
        CONSTRAINT tasks_location_check CHECK (location IN ('local', 'remote')),
        CONSTRAINT tasks_state_check CHECK (state IN
          ('queued', 'pending', 'claimed', 'in_progress', 'blocked', 'succeeded', 'failed', 'error', 'cancelled')),
        CONSTRAINT tasks_source_check CHECK (source IN ('user', 'orchestration', 'cli', 'api')),
        CONSTRAINT tasks_stopping_check CHECK (stopping IN ('cancel', 'kill')),
        CONSTRAINT tasks_ended_check CHECK
          ((state IN ('succeeded', 'failed', 'error', 'cancelled')) = (ended_at IS NOT NULL))
      )`);
    await runner.query(
      `CREATE UNIQUE INDEX tasks_session ON tasks (project_id, session_id) WHERE session_id IS NOT NULL`,
    );
    await runner.query(
      `CREATE INDEX tasks_parent ON tasks (project_id, parent_task_id, spawn_order) WHERE parent_task_id IS NOT NULL`,
    );
    await runner.query(
      `CREATE INDEX tasks_stopping ON tasks (project_id, root_task_id, depth) WHERE stopping IS NOT NULL`,
    );

    await runner.query(`
      CREATE TABLE task_activity (
        id bigint GENERATED ALWAYS AS IDENTITY,
        project_id uuid NOT NULL,
        root_task_id uuid NOT NULL,
        log_task_ids uuid[] NOT NULL,
        event json NOT NULL,
        CONSTRAINT task_activity_pkey PRIMARY KEY (project_id, root_task_id, id)
      )`);

    await runner.query(`
      CREATE TABLE task_messages (
        project_id uuid NOT NULL,
        message_id uuid NOT NULL,
        root_task_id uuid NOT NULL,
        from_task_id uuid,
        kind text NOT NULL,
        subject text,
        body text NOT NULL,
        created_at timestamptz NOT NULL DEFAULT now(),
        CONSTRAINT task_messages_pkey PRIMARY KEY (project_id, message_id),
        CONSTRAINT task_messages_kind_check CHECK (kind IN ('message', 'lifecycle'))
      )`);
    await runner.query(`
      CREATE TABLE task_message_recipients (
        project_id uuid NOT NULL,
        to_task_id uuid NOT NULL,
        message_id uuid NOT NULL,
        delivered_at timestamptz,
        read_at timestamptz,
        CONSTRAINT task_message_recipients_pkey PRIMARY KEY (project_id, to_task_id, message_id)
      )`);
    await runner.query(`
      CREATE INDEX task_message_recipients_undelivered ON task_message_recipients (project_id, to_task_id, message_id)
       WHERE delivered_at IS NULL`);
  }

  async down(runner: QueryRunner): Promise<void> {
    await runner.query(`DROP TABLE task_message_recipients, task_messages, task_activity, tasks`);
  }
}
