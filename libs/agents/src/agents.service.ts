import { Injectable } from '@nestjs/common';
import { UnitOfWork } from '@holdfast/platform-postgres';
import { DEFAULT_POOL, isSameContent } from './agent-content.rules.js';
import { toAgent } from './agent.mapper.js';
import { AgentsRepository } from './agents.repository.js';
import type { AgentSet } from './dto/agent-set.dto.js';
import type { Agent } from './dto/agent.dto.js';

/** Changes agents. What a revision holds never changes: other content is another revision. */
@Injectable()
export class AgentsService {
  constructor(
    private readonly unitOfWork: UnitOfWork,
    private readonly agents: AgentsRepository,
  ) {}

  /** Makes the agent, or a next revision of it when `set` differs from the current one. */
  setAgent(
    { project_id, by_id }: { project_id: string; by_id: string },
    name: string,
    set: AgentSet,
  ): Promise<{ agent: Agent; created: boolean }> {
    const content = {
      harness: set.harness,
      pool: set.pool ?? DEFAULT_POOL,
      model: set.model ?? null,
      environment: set.environment ?? {},
      command: set.command ?? null,
    };
    return this.unitOfWork.run(async (tx) => {
      const revision = await this.agents.lock(tx, project_id, name, by_id);
      const current = await this.agents.findRevision(tx, project_id, { name });
      if (!current || !isSameContent(current, content)) {
        await this.agents.addRevision(tx, project_id, { name, revision: revision + 1, ...content }, by_id);
      }
      const row = await this.agents.find(tx.manager, project_id, name);
      return { agent: toAgent(row!), created: revision === 0 };
    });
  }
}
