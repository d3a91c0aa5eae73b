import type { MigrationInterface, QueryRunner } from 'typeorm';

export class CreateNativeTranscripts1794000031000 implements MigrationInterface {
  async up(runner: QueryRunner): Promise<void> {
    await runner.query(`
      CREATE TABLE native_conversations (
        project_id uuid NOT NULL,
        conversation_id uuid NOT NULL,
        session_id text NOT NULL,
        harness text NOT NULL,
        native_id text NOT NULL,
        harness_version text,
        started_at timestamptz(3),
        main_branch_id uuid NOT NULL,
        newest_version int NOT NULL,
        created_at timestamptz(3) NOT NULL DEFAULT now(),
        updated_at timestamptz(3) NOT NULL DEFAULT now(),
        created_by_id uuid,
        CONSTRAINT native_conversations_pkey PRIMARY KEY (project_id, conversation_id),
        CONSTRAINT native_conversations_name UNIQUE (project_id, session_id, harness, native_id)
      )`);
    await runner.query(`
      CREATE INDEX native_conversations_newest
          ON native_conversations (project_id, session_id, updated_at DESC, conversation_id DESC)`);
    await runner.query(`
      CREATE INDEX native_conversations_native_id ON native_conversations (project_id, native_id, updated_at DESC)`);
    await runner.query(`
      CREATE TABLE native_branches (
        project_id uuid NOT NULL,
        conversation_id uuid NOT NULL,
        branch_id uuid NOT NULL,
        from_version int,
        version int NOT NULL,
        updated_at timestamptz(3) NOT NULL DEFAULT now(),
        CONSTRAINT native_branches_pkey PRIMARY KEY (project_id, conversation_id, branch_id)
      )`);
    await runner.query(`
      CREATE TABLE native_versions (
        project_id uuid NOT NULL,
        conversation_id uuid NOT NULL,
        version int NOT NULL,
        branch_id uuid NOT NULL,
        parent_version int,
        save_point text NOT NULL,
        turn_id uuid,
        bytes bigint NOT NULL,
        added_bytes bigint NOT NULL,
        created_at timestamptz(3) NOT NULL DEFAULT now(),
        created_by_id uuid,
        CONSTRAINT native_versions_pkey PRIMARY KEY (project_id, conversation_id, version)
      )`);
    // A branch has rows of its own for what it shares with the one that it went off from, so that reading one is one scan.
    await runner.query(`
      CREATE TABLE native_chunks (
        project_id uuid NOT NULL,
        conversation_id uuid NOT NULL,
        branch_id uuid NOT NULL,
        name text NOT NULL,
        mode text NOT NULL,
        from_line bigint NOT NULL,
        lines bigint NOT NULL,
        bytes bigint NOT NULL,
        digest text NOT NULL,
        sha256 text NOT NULL,
        origin jsonb NOT NULL,
        added_version int NOT NULL,
        removed_version int,
        CONSTRAINT native_chunks_pkey
          PRIMARY KEY (project_id, conversation_id, branch_id, name, from_line, added_version)
      )`);
    await runner.query(`
      CREATE TABLE native_saves (
        project_id uuid NOT NULL,
        save_id uuid NOT NULL,
        session_id text NOT NULL,
        conversation_id uuid NOT NULL,
        branch_id uuid NOT NULL,
        base_version int,
        fork jsonb,
        harness text NOT NULL,
        native_id text NOT NULL,
        harness_version text,
        started_at timestamptz(3),
        origin jsonb NOT NULL,
        turn_id uuid,
        epoch bigint,
        by_id uuid,
        base_bytes bigint NOT NULL,
        base_parts int NOT NULL,
        staged_bytes bigint NOT NULL DEFAULT 0,
        staged_parts int NOT NULL DEFAULT 0,
        finished_version int,
        touched_at timestamptz NOT NULL DEFAULT now(),
        CONSTRAINT native_saves_pkey PRIMARY KEY (project_id, save_id)
      )`);
    await runner.query(`CREATE INDEX native_saves_touched ON native_saves (touched_at)`);
    await runner.query(`
      CREATE TABLE native_save_parts (
        project_id uuid NOT NULL,
        save_id uuid NOT NULL,
        name text NOT NULL,
        mode text NOT NULL,
        from_line bigint NOT NULL,
        lines bigint NOT NULL,
        bytes bigint NOT NULL,
        digest text NOT NULL,
        sha256 text NOT NULL,
        CONSTRAINT native_save_parts_pkey PRIMARY KEY (project_id, save_id, name, from_line)
      )`);
    await runner.query(`CREATE INDEX native_save_parts_blob ON native_save_parts (project_id, sha256)`);
    await runner.query(`
      CREATE TABLE native_blobs (
        project_id uuid NOT NULL,
        sha256 text NOT NULL,
        bytes bigint NOT NULL,
        is_kept boolean NOT NULL DEFAULT false,
        touched_at timestamptz NOT NULL DEFAULT now(),
        CONSTRAINT native_blobs_pkey PRIMARY KEY (project_id, sha256)
      )`);
    await runner.query(`CREATE INDEX native_blobs_loose ON native_blobs (touched_at) WHERE NOT is_kept`);
  }

  async down(runner: QueryRunner): Promise<void> {
    await runner.query(`
      DROP TABLE native_blobs, native_save_parts, native_saves, native_chunks, native_versions, native_branches,
                 native_conversations`);
  }
}
