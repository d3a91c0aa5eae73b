import type { MigrationInterface, QueryRunner } from 'typeorm';

/** Forks that are there keep the generation of their source for all of their offsets: those were handed out. */
export class AddLogLineageGenerations1794000008000 implements MigrationInterface {
  async up(runner: QueryRunner): Promise<void> {
    await runner.query(`ALTER TABLE log_streams ADD COLUMN lineage_generations bigint[] NOT NULL DEFAULT '{}'`);
    await runner.query(`
      COMMENT ON COLUMN log_streams.lineage_generations IS
        'First half of the offsets up to lineage_ends; empty: generation'`);
    await runner.query(`
      COMMENT ON COLUMN log_streams.generation IS
        'First half of its offsets; of a fork, of those after fork_at, or of all where lineage_generations is empty'`);
  }

  async down(runner: QueryRunner): Promise<void> {
    await runner.query(`
      COMMENT ON COLUMN log_streams.generation IS 'First half of its offsets; a fork has that of its source'`);
    await runner.query(`ALTER TABLE log_streams DROP COLUMN lineage_generations`);
  }
}
