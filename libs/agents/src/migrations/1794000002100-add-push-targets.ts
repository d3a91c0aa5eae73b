import type { MigrationInterface, QueryRunner } from 'typeorm';

const HARNESSES = ['scripted', 'codex', 'claude', 'opencode', 'gemini', 'acp'];

const harnessCheck = (harnesses: string[]) =>
  `ADD CONSTRAINT agent_revisions_harness_check CHECK (harness IN (${harnesses.map((name) => `'${name}'`).join(', ')}))`;

/** Services that are called instead of runners, labels that runners must have, and how often a turn is retried. */
export class AddPushTargets1794000002100 implements MigrationInterface {
  async up(runner: QueryRunner): Promise<void> {
    await runner.query(`
      ALTER TABLE agent_revisions
        DROP CONSTRAINT agent_revisions_harness_check, ${harnessCheck([...HARNESSES, 'push'])},
        ALTER COLUMN pool DROP NOT NULL,
        ADD COLUMN push_url text,
        ADD COLUMN labels text[] NOT NULL DEFAULT '{}',
        ADD COLUMN max_attempts int NOT NULL DEFAULT 3,
        ADD CONSTRAINT agent_revisions_target_check CHECK ((pool IS NULL) <> (push_url IS NULL)),
        ADD CONSTRAINT agent_revisions_push_check CHECK ((harness = 'push') = (push_url IS NOT NULL)),
        ADD CONSTRAINT agent_revisions_max_attempts_check CHECK (max_attempts BETWEEN 1 AND 10)`);
  }

  async down(runner: QueryRunner): Promise<void> {
    // What the old form cannot say is left out: an agent falls back to the newest revision that a runner hosts.
    await runner.query(`DELETE FROM agent_revisions WHERE push_url IS NOT NULL`);
    await runner.query(`
      DELETE FROM agents a WHERE NOT EXISTS
        (SELECT FROM agent_revisions r WHERE r.project_id = a.project_id AND r.name = a.name)`);
    await runner.query(`
      UPDATE agents a SET current_revision =
        (SELECT max(revision) FROM agent_revisions r WHERE r.project_id = a.project_id AND r.name = a.name)`);
    await runner.query(`
      ALTER TABLE agent_revisions
        DROP CONSTRAINT agent_revisions_harness_check, ${harnessCheck(HARNESSES)},
        DROP CONSTRAINT agent_revisions_target_check,
        DROP CONSTRAINT agent_revisions_push_check,
        DROP CONSTRAINT agent_revisions_max_attempts_check,
        ALTER COLUMN pool SET NOT NULL,
        DROP COLUMN push_url, DROP COLUMN labels, DROP COLUMN max_attempts`);
  }
}
