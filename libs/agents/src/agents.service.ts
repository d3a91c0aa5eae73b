import { Injectable } from '@nestjs/common';
import { judgeOutboundUrl } from '@holdfast/platform-outbound';
import { UnitOfWork } from '@holdfast/platform-postgres';
import { DEFAULT_MAX_ATTEMPTS, DEFAULT_POOL, isSameContent, type AgentContent } from './agent-content.rules.js';
import { toAgent } from './agent.mapper.js';
import { AgentsConfig } from './agents.config.js';
import { PushUrlRejected } from './agents.errors.js';
import { AgentsRepository } from './agents.repository.js';
import type { AgentSet } from './dto/agent-set.dto.js';
import type { Agent } from './dto/agent.dto.js';

/** Changes agents. What a revision holds never changes: other content is another revision. */
@Injectable()
export class AgentsService {
  constructor(
    private readonly unitOfWork: UnitOfWork,
    private readonly agents: AgentsRepository,
    private readonly config: AgentsConfig,
  ) {}

  /** Makes the agent, or a next revision of it when `set` differs from the current one. Errors: push_url_rejected. */
  async setAgent(
    { project_id, by_id }: { project_id: string; by_id: string },
    name: string,
    set: AgentSet,
  ): Promise<{ agent: Agent; created: boolean }> {
    const content = contentOfSet(set);
    if (content.push_url !== null) this.requireCallable(content.push_url);
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

  private requireCallable(url: string): void {
    const judged = judgeOutboundUrl(url, this.config.pushReach);
    if (!('refused' in judged)) return;
    throw PushUrlRejected({ reason: judged.refused, allowable: !('refused' in judgeOutboundUrl(url, 'private')) });
  }
}

function contentOfSet(set: AgentSet): AgentContent {
  return {
    harness: set.harness,
    pool: set.harness === 'push' ? null : (set.pool ?? DEFAULT_POOL),
    push_url: set.push_url ?? null,
    labels: [...new Set(set.labels)].sort(),
    max_attempts: set.max_attempts ?? DEFAULT_MAX_ATTEMPTS,
    model: set.model ?? null,
    environment: set.environment ?? {},
    command: set.command ?? null,
    drive: set.drive ?? 'acp',
    approvals: set.approvals ?? 'ask',
  };
}
