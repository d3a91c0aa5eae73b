import type { MigrationInterface, QueryRunner } from 'typeorm';

/** `api_keys.prefix` is unique over all projects, because a key is what tells which project a request belongs to. */
export class CreateAuthTables1794000001000 implements MigrationInterface {
  async up(runner: QueryRunner): Promise<void> {
    await runner.query(`
      CREATE TABLE projects (
        id uuid NOT NULL,
        name text NOT NULL,
        created_at timestamptz NOT NULL DEFAULT now(),
        CONSTRAINT projects_pkey PRIMARY KEY (id)
      )`);
    await runner.query(`
      CREATE TABLE api_keys (
        project_id uuid NOT NULL,
        id uuid NOT NULL,
        name text NOT NULL,
        kind text NOT NULL,
        prefix text NOT NULL,
        hash bytea NOT NULL,
        permissions text[] NOT NULL,
        expires_at timestamptz,
        created_at timestamptz NOT NULL DEFAULT now(),
        created_by_id uuid,
        revoked_at timestamptz,
        revoked_by_id uuid,
        CONSTRAINT api_keys_pkey PRIMARY KEY (project_id, id),
        CONSTRAINT api_keys_prefix_key UNIQUE (prefix),
        CONSTRAINT api_keys_project_fkey FOREIGN KEY (project_id) REFERENCES projects (id),
        CONSTRAINT api_keys_kind_check CHECK (kind IN ('user', 'runner'))
      )`);
  }

  async down(runner: QueryRunner): Promise<void> {
    await runner.query(`DROP TABLE api_keys, projects`);
  }
}
