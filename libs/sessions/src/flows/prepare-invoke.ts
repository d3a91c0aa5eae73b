import { Injectable } from '@nestjs/common';
import { AgentsReader, type AgentReference } from '@holdfast/agents';
import { holds, PermissionDenied, type Principal } from '@holdfast/platform-auth';
import type { Transaction } from '@holdfast/platform-postgres';
import { SessionTurnsService, type TurnRow } from '@holdfast/sessions-streams';
import { CreateSessionFlow } from './create-session.flow.js';

/** What a new session runs when nobody says. */
const DEFAULT_AGENT: AgentReference = { name: 'scripted' };

/**
 * The one way to start a turn: whoever starts one (a person's invoke today) comes through here, so that every turn's
 * reference is resolved, authorised for the acting principal at that moment, and pinned.
 */
@Injectable()
export class PrepareInvoke {
  constructor(
    private readonly sessions: CreateSessionFlow,
    private readonly agents: AgentsReader,
    private readonly turns: SessionTurnsService,
  ) {}

  /** Errors: permission_denied, agent_not_found, agent_revision_not_found, session_in_use. */
  async startTurn(
    tx: Transaction,
    principal: Principal,
    start: { session_id: string; prompt: string; agent?: AgentReference },
  ): Promise<TurnRow> {
    if (!holds(principal, 'RUN_SESSIONS')) throw PermissionDenied({ permission: 'RUN_SESSIONS' });
    const session = { project_id: principal.project_id, session_id: start.session_id };
    await this.sessions.within(tx, session, {}, principal.key_id);

    const reference = start.agent ?? (await this.turns.lastAgent(tx, session)) ?? DEFAULT_AGENT;
    const agent = await this.agents.resolve(tx, principal.project_id, reference);
    return this.turns.start(tx, {
      ...session,
      prompt: start.prompt,
      pool: agent.pool,
      agent_name: agent.name,
      agent_revision: agent.revision,
      harness: agent.harness,
      created_by_id: principal.key_id,
    });
  }
}
