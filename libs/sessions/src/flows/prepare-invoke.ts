import { Injectable } from '@nestjs/common';
import { AgentsReader, ApprovalBypassNotAllowed, type AgentReference, type AgentRevision } from '@holdfast/agents';
import {
  ApiKeys,
  holds,
  PermissionDenied,
  ProjectSettingsService,
  SessionAccess,
  type Principal,
} from '@holdfast/platform-auth';
import type { SessionKey, Transaction } from '@holdfast/platform-postgres';
import { SessionArchived, type SessionCreate } from '@holdfast/sessions-directory';
import { ShareAgentFixed, ShareGrants } from '@holdfast/sessions-sharing';
import {
  localPool,
  NoLocalRunner,
  SessionInboxService,
  SessionTurnsService,
  type TurnRow,
  type TurnStart,
} from '@holdfast/sessions-streams';
import { newestConversation } from '@holdfast/sessions-transcripts';
import { CreateSessionFlow } from './create-session.flow.js';

/** What a new session runs when nobody says. */
const DEFAULT_AGENT: AgentReference = { name: 'scripted' };

/** A prompt for a session, as somebody sends it. */
export interface PromptStart {
  prompt: string;
  agent?: AgentReference;
  /** False when whoever sends it stays to watch. */
  detached: boolean;
  /** Whether the agent is to begin a new conversation; otherwise it goes on with that of the session. */
  fresh_start: boolean;
  /** The machine that is to run it, by its private pool. Left out: that of the session's last turn, if it was for one. */
  private_pool?: string;
}

/**
 * The one way to make a turn and to start one: whatever starts (a prompt that is sent, one that steers, one that waited)
 * comes through here, so that every turn's reference is resolved and pinned when it is made, and authorised for whoever
 * made it when it starts.
 */
@Injectable()
export class PrepareInvoke {
  constructor(
    private readonly sessions: CreateSessionFlow,
    private readonly agents: AgentsReader,
    private readonly keys: ApiKeys,
    private readonly shares: ShareGrants,
    private readonly access: SessionAccess,
    private readonly projectSettings: ProjectSettingsService,
    private readonly turns: SessionTurnsService,
    private readonly inbox: SessionInboxService,
  ) {}

  /**
   * Makes the session if it is new, and leaves its fence locked. True when it is. Errors: permission_denied,
   * session_archived.
   */
  async open(tx: Transaction, principal: Principal, session: SessionKey, create: SessionCreate = {}): Promise<boolean> {
    if (!holds(principal, 'RUN_SESSIONS')) throw PermissionDenied({ permission: 'RUN_SESSIONS' });
    const opened = await this.sessions.within(tx, session, create, principal.key_id);
    if (opened.session.archived_at !== null) throw SessionArchived({ session_id: session.session_id });
    return opened.created;
  }

  /** Puts a turn in line in an open session without a live one. Errors: as `pin`; project_at_capacity. */
  async start(tx: Transaction, principal: Principal, session: SessionKey, start: PromptStart): Promise<TurnRow> {
    return this.turns.start(tx, await this.pin(tx, principal, session, start));
  }

  /** Puts a turn in line in place of one that was superseded just now. Errors: as `pin`. */
  async replace(tx: Transaction, principal: Principal, live: TurnRow, start: PromptStart): Promise<TurnRow> {
    return this.turns.replace(tx, await this.pin(tx, principal, live, start));
  }

  /** Lets a prompt wait behind the live turn and those that wait. Errors: as `pin`; inbox_full. */
  async queue(tx: Transaction, principal: Principal, session: SessionKey, start: PromptStart): Promise<TurnRow> {
    return this.inbox.queue(tx, await this.pin(tx, principal, session, start));
  }

  /** Lets a prompt wait before all others, until the live turn has stopped. Errors: as `pin`. */
  async steer(tx: Transaction, principal: Principal, session: SessionKey, start: PromptStart): Promise<TurnRow> {
    return this.inbox.steer(tx, await this.pin(tx, principal, session, start));
  }

  /** Lets a prompt wait before all others, until the live turn takes it or ends. Errors: as `pin`; inbox_full. */
  async offer(tx: Transaction, principal: Principal, live: TurnRow, start: PromptStart): Promise<TurnRow> {
    return this.inbox.offer(tx, await this.pin(tx, principal, live, start), live);
  }

  /**
   * Puts what waited in line, if it may start still. Errors: permission_denied, session_not_found when the key that sent
   * it was revoked, has expired or lost its permission meanwhile, or the share that it came through has ended or lost its
   * role; agent_not_found, agent_revision_not_found, approval_bypass_not_allowed.
   */
  async promote(tx: Transaction, entry: TurnRow): Promise<TurnRow> {
    const author = await this.authorOf(tx, entry);
    if (author.kind === 'share') await this.access.require(author, entry.session_id, 'executor', tx);
    await this.agents.resolve(tx, entry.project_id, { name: entry.agent_name, revision: entry.agent_revision });
    await this.requireApprovals(tx, entry);
    return this.turns.promote(tx, entry);
  }

  /** Whoever made a turn, as they are now. Errors: permission_denied, when they may run no session any more. */
  async authorOf(tx: Transaction, { project_id, created_by_id }: TurnRow): Promise<Principal> {
    const principal =
      (await this.keys.principalOf(tx, project_id, created_by_id)) ??
      (await this.shares.principalOf(tx, project_id, created_by_id));
    if (!principal || !holds(principal, 'RUN_SESSIONS')) throw PermissionDenied({ permission: 'RUN_SESSIONS' });
    return principal;
  }

  /**
   * An agent that asks nobody needs its project's leave, whenever an attempt at a turn of it starts. Errors:
   * approval_bypass_not_allowed.
   */
  async requireApprovals(
    tx: Transaction,
    {
      project_id,
      approvals,
      agent_name: name,
      agent_revision: revision,
    }: Pick<TurnStart, 'project_id' | 'approvals' | 'agent_name' | 'agent_revision'>,
  ): Promise<void> {
    if (approvals !== 'bypass' || (await this.projectSettings.allowsApprovalBypass(tx, project_id))) return;
    throw ApprovalBypassNotAllowed({ name, revision });
  }

  /** Errors: agent_not_found, agent_revision_not_found, approval_bypass_not_allowed, no_local_runner. */
  private async pin(
    tx: Transaction,
    principal: Principal,
    { project_id, session_id }: SessionKey,
    { prompt, agent, detached, fresh_start, ...place }: PromptStart,
  ): Promise<TurnStart> {
    const session = { project_id, session_id };
    const last = await this.turns.lastRun(tx, session);
    const reference = agent ?? last.agent ?? (await this.firstAgentOf(tx, session));
    const pinned = await this.agents.resolve(tx, project_id, reference);
    const start = {
      ...session,
      prompt,
      detached,
      fresh_start,
      ...placeOf(pinned, place.private_pool ?? last.private_pool),
      push_url: pinned.push_url,
      max_attempts: pinned.max_attempts,
      agent_name: pinned.name,
      agent_revision: pinned.revision,
      harness: pinned.harness,
      drive: pinned.drive,
      approvals: pinned.approvals,
      created_by_id: principal.key_id,
    };
    await this.requireApprovals(tx, start);
    return start;
  }

  /**
   * That a prompt names nothing else than what the session runs, and goes on with its conversation: who came through a
   * share chooses neither. Errors: share_agent_fixed.
   */
  async requireItsAgent(tx: Transaction, session: SessionKey, { agent, fresh_start }: PromptStart): Promise<void> {
    if (fresh_start) throw ShareAgentFixed(session);
    if (!agent) return;
    const { agent: last } = await this.turns.lastRun(tx, session);
    const { name } = last ?? (await this.firstAgentOf(tx, session));
    if (agent.name !== name || agent.revision !== undefined) throw ShareAgentFixed(session);
  }

  /** What a session runs first when nobody says: the agent of the conversation that was pushed to it. */
  private async firstAgentOf(tx: Transaction, session: SessionKey): Promise<AgentReference> {
    const pushed = await newestConversation(tx, session);
    return pushed ? { name: pushed.harness } : DEFAULT_AGENT;
  }
}

/** Who may take the turn: the runners of its agent's pool that have what that asks for, or one machine. */
function placeOf(
  { name, pool, labels, push_url }: AgentRevision,
  private_pool: string | undefined,
): Pick<TurnStart, 'pool' | 'labels'> {
  if (private_pool === undefined) return { pool, labels };
  if (push_url !== null) throw NoLocalRunner({ reason: `Agent "${name}" is a service, which no machine runs.` });
  return { pool: localPool(private_pool), labels: [] };
}
