import type { Transaction } from '@holdfast/platform-postgres';
import { DEFAULT_POOL, SEEDED_HARNESSES } from './agent-content.rules.js';

/** Gives a new project an agent of each harness, named after it. Agents of these names that exist stay as they are. */
export async function seedAgents(tx: Transaction, project_id: string): Promise<void> {
  // Plain SQL: makes only the agents that are missing, each with its revision.
  await tx.query(
    `WITH made AS (
       INSERT INTO agents (project_id, name, current_revision)
       SELECT $1, harness, 1 FROM unnest($2::text[]) AS harness
       ON CONFLICT DO NOTHING RETURNING name)
     INSERT INTO agent_revisions (project_id, name, revision, harness, pool, environment)
     SELECT $1, name, 1, name, $3, '{}' FROM made`,
    [project_id, SEEDED_HARNESSES, DEFAULT_POOL],
  );
}
