import type { MigrationInterface, QueryRunner } from 'typeorm';

/** How a runner speaks with an agent's harness, and what becomes of the agent's questions. */
export class AddDrives1794000002200 implements MigrationInterface {
  async up(runner: QueryRunner): Promise<void> {
    await runner.query(`
      ALTER TABLE agent_revisions
        ADD COLUMN drive text NOT NULL DEFAULT 'acp',
        ADD COLUMN approvals text NOT NULL DEFAULT 'ask',
        ADD CONSTRAINT agent_revisions_drive_check CHECK
          (drive = 'acp' OR (drive = 'cli' AND command IS NULL AND harness IN ('codex', 'claude', 'opencode', 'gemini'))),
        ADD CONSTRAINT agent_revisions_approvals_check CHECK (approvals IN ('ask', 'deny', 'bypass'))`);
  }

  async down(runner: QueryRunner): Promise<void> {
    await runner.query(`
      ALTER TABLE agent_revisions
        DROP CONSTRAINT agent_revisions_drive_check, DROP CONSTRAINT agent_revisions_approvals_check,
        DROP COLUMN drive, DROP COLUMN approvals`);
  }
}
