import { Injectable } from '@nestjs/common';
import { decodeCursor, encodeCursor } from '@holdfast/platform-http';
import { UnitOfWork, type Transaction } from '@holdfast/platform-postgres';
import { DataSource } from 'typeorm';
import { toAgent } from './agent.mapper.js';
import { AgentNotFound, AgentRevisionNotFound } from './agents.errors.js';
import { AgentsRepository, type AgentReference, type AgentRevision } from './agents.repository.js';
import type { AgentPage, AgentQuery } from './dto/agent-query.dto.js';
import type { Agent } from './dto/agent.dto.js';

/** Answers about agents, and what a reference to one means. */
@Injectable()
export class AgentsReader {
  constructor(
    private readonly dataSource: DataSource,
    private readonly unitOfWork: UnitOfWork,
    private readonly agents: AgentsRepository,
  ) {}

  /** Errors: agent_not_found. */
  async fetchAgent(project_id: string, name: string): Promise<Agent> {
    const row = await this.agents.find(this.dataSource.manager, project_id, name);
    if (!row) throw AgentNotFound({ name });
    return toAgent(row);
  }

  /** Agents of the project, by name. Errors: cursor_malformed. */
  async queryAgents(project_id: string, { cursor, limit }: AgentQuery): Promise<AgentPage> {
    const after = decodeCursor(cursor, { name: 'string' });
    const rows = await this.agents.list(this.dataSource.manager, project_id, after?.name, limit + 1);
    const page = rows.slice(0, limit);
    const last = rows.length > limit ? page.at(-1) : undefined;
    return { data: page.map(toAgent), next_cursor: last ? encodeCursor({ name: last.name }) : null };
  }

  /** The revision to pin where a turn is made. Errors: agent_not_found, agent_revision_not_found. */
  async resolve(tx: Transaction, project_id: string, reference: AgentReference): Promise<AgentRevision> {
    return required(reference, await this.agents.findRevision(tx, project_id, reference));
  }

  /** A revision that was pinned before. Errors: agent_not_found, agent_revision_not_found. */
  async fetchRevision(project_id: string, reference: Required<AgentReference>): Promise<AgentRevision> {
    return required(reference, await this.agents.findRevision(this.unitOfWork, project_id, reference));
  }
}

function required({ name, revision }: AgentReference, found: AgentRevision | null | undefined): AgentRevision {
  if (found === undefined) throw AgentNotFound({ name });
  if (found === null) throw AgentRevisionNotFound({ name, revision });
  return found;
}
