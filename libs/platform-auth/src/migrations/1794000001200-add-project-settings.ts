import type { MigrationInterface, QueryRunner } from 'typeorm';

/** What a project decides for itself, and who decided last. */
export class AddProjectSettings1794000001200 implements MigrationInterface {
  async up(runner: QueryRunner): Promise<void> {
    await runner.query(`
      ALTER TABLE projects
        ADD COLUMN allow_approval_bypass boolean NOT NULL DEFAULT false,
        ADD COLUMN updated_at timestamptz NOT NULL DEFAULT now(),
        ADD COLUMN updated_by_id uuid`);
  }

  async down(runner: QueryRunner): Promise<void> {
    await runner.query(`
      ALTER TABLE projects DROP COLUMN allow_approval_bypass, DROP COLUMN updated_at, DROP COLUMN updated_by_id`);
  }
}
