import type { MigrationInterface, QueryRunner } from 'typeorm';

export class CreateLogGarbage1794000007000 implements MigrationInterface {
  async up(runner: QueryRunner): Promise<void> {
    // Rows are only added and removed, never updated: whoever deletes or trims a log waits for nobody here.
    await runner.query(`
      CREATE TABLE log_garbage (
        project_id uuid NOT NULL,
        id bigint GENERATED ALWAYS AS IDENTITY,
        log_id bigint NOT NULL,
        upto bigint,
        created_at timestamptz NOT NULL DEFAULT now(),
        CONSTRAINT log_garbage_pkey PRIMARY KEY (project_id, id)
      )`);
    await runner.query(`
      COMMENT ON COLUMN log_garbage.upto IS
        'Segments that end here or before may go; null: the log was deleted, all its segments and producers go'`);
  }

  async down(runner: QueryRunner): Promise<void> {
    await runner.query(`DROP TABLE log_garbage`);
  }
}
