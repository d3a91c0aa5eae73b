import type { MigrationInterface, QueryRunner } from 'typeorm';

export class CreateAgents1794000002000 implements MigrationInterface {
  async up(runner: QueryRunner): Promise<void> {
    await runner.query(`
      CREATE TABLE agents (
        project_id uuid NOT NULL,
        name text NOT NULL,
        current_revision int NOT NULL,
        created_at timestamptz NOT NULL DEFAULT now(),
        created_by_id uuid,
        updated_at timestamptz NOT NULL DEFAULT now(),
        updated_by_id uuid,
        CONSTRAINT agents_pkey PRIMARY KEY (project_id, name),
        CONSTRAINT agents_name_check CHECK (name ~ '^[a-z0-9][a-z0-9_-]{0,63}$')
      )`);
    await runner.query(`
      CREATE TABLE agent_revisions (
        project_id uuid NOT NULL,
        name text NOT NULL,
        revision int NOT NULL,
        harness text NOT NULL,
        pool text NOT NULL,
        model text,
        environment jsonb NOT NULL,
        command jsonb,
        created_at timestamptz NOT NULL DEFAULT now(),
        created_by_id uuid,
        CONSTRAINT agent_revisions_pkey PRIMARY KEY (project_id, name, revision),
        CONSTRAINT agent_revisions_agent_fkey FOREIGN KEY (project_id, name) REFERENCES agents (project_id, name),
        CONSTRAINT agent_revisions_harness_check CHECK (harness IN
          ('scripted', 'codex', 'claude', 'opencode', 'gemini', 'acp')),
        CONSTRAINT agent_revisions_acp_command_check CHECK (harness <> 'acp' OR command IS NOT NULL)
      )`);
  }

  async down(runner: QueryRunner): Promise<void> {
    await runner.query(`DROP TABLE agent_revisions, agents`);
  }
}
