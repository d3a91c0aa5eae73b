import { Injectable } from '@nestjs/common';
import type { Transaction } from '@holdfast/platform-postgres';
import { MoreThan, type EntityManager } from 'typeorm';
import type { AgentContent } from './agent-content.rules.js';
import { AgentRevisionEntity } from './entities/agent-revision.entity.js';
import { AgentEntity } from './entities/agent.entity.js';

/** One immutable revision of an agent. */
export interface AgentRevision extends AgentContent {
  name: string;
  revision: number;
}

/** Which revision of an agent is meant; without a number, the current one. */
export interface AgentReference {
  name: string;
  revision?: number;
}

/** The largest number the column holds. What is larger names no revision, and must not be an error of the database. */
const MAX_REVISION = 2 ** 31 - 1;

/** The rows of agents and of their revisions. */
@Injectable()
export class AgentsRepository {
  /** Makes the agent when it is missing, locks it, and returns its current revision: 0 when it has none yet. */
  async lock(tx: Transaction, project_id: string, name: string, by_id: string): Promise<number> {
    // Plain SQL: makes and locks in one statement, so that nobody comes between.
    const row = await tx.queryOne<{ current_revision: number }>(
      `INSERT INTO agents AS a (project_id, name, current_revision, created_by_id, updated_by_id)
       VALUES ($1, $2, 0, $3, $3)
       ON CONFLICT (project_id, name) DO UPDATE SET name = a.name RETURNING current_revision`,
      [project_id, name, by_id],
    );
    return row!.current_revision;
  }

  /** Adds a revision to a locked agent, as its current one. */
  async addRevision(tx: Transaction, project_id: string, added: AgentRevision, by_id: string): Promise<void> {
    const { name, revision: current_revision } = added;
    await tx.manager.getRepository(AgentRevisionEntity).insert({ project_id, ...added, created_by_id: by_id });
    await tx.manager
      .getRepository(AgentEntity)
      .update({ project_id, name }, { current_revision, updated_at: () => 'now()', updated_by_id: by_id });
  }

  /**
   * The revision that a reference means: undefined when there is no such agent, null when it has no such revision.
   */
  async findRevision(
    queries: Pick<Transaction, 'queryOne'>,
    project_id: string,
    { name, revision }: AgentReference,
  ): Promise<AgentRevision | null | undefined> {
    // Plain SQL: every invoke and every claim asks, and one answer tells a missing agent from a missing revision.
    const row = await queries.queryOne<AgentRevision | { revision: null }>(
      `SELECT a.name, r.revision, r.harness, r.pool, r.push_url, r.labels, r.max_attempts, r.model,
              r.environment, r.command, r.drive, r.approvals
         FROM agents a
         LEFT JOIN agent_revisions r
           ON r.project_id = a.project_id AND r.name = a.name AND r.revision = coalesce($3, a.current_revision)
        WHERE a.project_id = $1 AND a.name = $2`,
      [project_id, name, revision ? Math.min(revision, MAX_REVISION) : null],
    );
    if (!row) return undefined;
    return row.revision === null ? null : row;
  }

  find(manager: EntityManager, project_id: string, name: string): Promise<AgentEntity | null> {
    return withCurrent(manager).where({ project_id, name }).getOne();
  }

  /** Agents by name, after `afterName` when given. */
  list(
    manager: EntityManager,
    project_id: string,
    afterName: string | undefined,
    limit: number,
  ): Promise<AgentEntity[]> {
    const page = withCurrent(manager).where({ project_id, name: MoreThan(afterName ?? '') });
    // Not `take`: together with a join it asks twice.
    return page.orderBy('agent.name').limit(limit).getMany();
  }
}

function withCurrent(manager: EntityManager) {
  return manager.getRepository(AgentEntity).createQueryBuilder('agent').innerJoinAndSelect('agent.current', 'current');
}
