import type { MigrationInterface, QueryRunner } from 'typeorm';

export class CreateTriggerDeliveries1794000040000 implements MigrationInterface {
  async up(runner: QueryRunner): Promise<void> {
    await runner.query(`
      CREATE TABLE trigger_deliveries (
        project_id uuid NOT NULL,
        delivery_id uuid NOT NULL,
        source text NOT NULL,
        session_id text NOT NULL,
        turn_id uuid NOT NULL,
        status text NOT NULL,
        error jsonb,
        created_at timestamptz NOT NULL,
        created_by_id uuid NOT NULL,
        dispatched_at timestamptz,
        closed_at timestamptz,
        CONSTRAINT trigger_deliveries_pkey PRIMARY KEY (project_id, delivery_id),
        CONSTRAINT trigger_deliveries_turn_key UNIQUE (project_id, turn_id),
        CONSTRAINT trigger_deliveries_source_check CHECK (source IN ('invoke')),
        CONSTRAINT trigger_deliveries_status_check CHECK (status IN
          ('pending', 'dispatched', 'completed', 'failed', 'cancelled', 'superseded', 'merged', 'paused', 'lost')),
        CONSTRAINT trigger_deliveries_closed_check CHECK ((status IN ('pending', 'dispatched')) = (closed_at IS NULL))
      )`);
    await runner.query(
      `CREATE INDEX trigger_deliveries_session ON trigger_deliveries (project_id, session_id, delivery_id)`,
    );
  }

  async down(runner: QueryRunner): Promise<void> {
    await runner.query(`DROP TABLE trigger_deliveries`);
  }
}
