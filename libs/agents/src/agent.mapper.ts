import { contentOf } from './agent-content.rules.js';
import type { Agent } from './dto/agent.dto.js';
import type { AgentEntity } from './entities/agent.entity.js';

export function toAgent({ current, ...agent }: AgentEntity): Agent {
  return {
    name: agent.name,
    revision: current.revision,
    ...contentOf(current),
    created_at: agent.created_at.toISOString(),
    created_by_id: agent.created_by_id,
    updated_at: agent.updated_at.toISOString(),
    updated_by_id: agent.updated_by_id,
  };
}
