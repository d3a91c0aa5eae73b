import type { Persistence } from '@holdfast/platform-postgres';
import { AgentRevisionEntity } from './entities/agent-revision.entity.js';
import { AgentEntity } from './entities/agent.entity.js';
import { AddDrives1794000002200 } from './migrations/1794000002200-add-drives.js';
import { AddPushTargets1794000002100 } from './migrations/1794000002100-add-push-targets.js';
import { CreateAgents1794000002000 } from './migrations/1794000002000-create-agents.js';

export const agentsPersistence: Persistence = {
  entities: [AgentEntity, AgentRevisionEntity],
  migrations: [CreateAgents1794000002000, AddPushTargets1794000002100, AddDrives1794000002200],
};
