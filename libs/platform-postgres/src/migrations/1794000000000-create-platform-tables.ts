import type { MigrationInterface, QueryRunner } from 'typeorm';

export class CreatePlatformTables1794000000000 implements MigrationInterface {
  async up(runner: QueryRunner): Promise<void> {
    await runner.query(`
      CREATE TABLE session_fences (
        project_id uuid NOT NULL,
        session_id text NOT NULL,
        epoch bigint NOT NULL DEFAULT 0,
        CONSTRAINT session_fences_pkey PRIMARY KEY (project_id, session_id)
      )`);
    await runner.query(`
      CREATE TABLE outbox (
        project_id uuid NOT NULL,
        id uuid NOT NULL,
        queue text NOT NULL,
        job text NOT NULL,
        payload jsonb NOT NULL,
        traceparent text,
        attempt int NOT NULL DEFAULT 0,
        created_at timestamptz NOT NULL DEFAULT now(),
        retry_at timestamptz NOT NULL DEFAULT now(),
        done_at timestamptz,
        CONSTRAINT outbox_pkey PRIMARY KEY (project_id, id)
      )`);
    await runner.query(`CREATE INDEX outbox_due ON outbox (retry_at) WHERE done_at IS NULL`);
    await runner.query(`CREATE INDEX outbox_done ON outbox (done_at) WHERE done_at IS NOT NULL`);
    await runner.query(`
      CREATE TABLE idempotency_keys (
        project_id uuid NOT NULL,
        operation text NOT NULL,
        key text NOT NULL,
        fingerprint bytea NOT NULL,
        response jsonb,
        created_at timestamptz NOT NULL DEFAULT now(),
        CONSTRAINT idempotency_keys_pkey PRIMARY KEY (project_id, operation, key)
      )`);
    await runner.query(`CREATE INDEX idempotency_keys_age ON idempotency_keys (created_at)`);
  }

  async down(runner: QueryRunner): Promise<void> {
    await runner.query(`DROP TABLE idempotency_keys, outbox, session_fences`);
  }
}
