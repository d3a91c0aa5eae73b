import { Injectable } from '@nestjs/common';
import { v7 as uuidv7 } from 'uuid';
import type { AgentReference } from '@holdfast/agents';
import { PrivateSessions, type Principal, type TurnPrincipal } from '@holdfast/platform-auth';
import { isDomainError } from '@holdfast/platform-errors';
import { IdempotencyKeys, StaleEpoch, type Transaction, type TurnFence } from '@holdfast/platform-postgres';
import {
  ShareAgentFixed,
  TasksService,
  TaskStates,
  type SessionTaskAgentsRun,
  type SessionTaskAgentsStarted,
  type SessionTaskAgentStart,
  type SessionTaskAgentStarted,
  type TaskError,
  type TaskRow,
} from '@holdfast/sessions-sharing';
import { NoLocalRunner, SessionTurnsService, TurnNotLive, type TurnRow } from '@holdfast/sessions-streams';
import { turnFact } from '../bindings/turn-tasks.js';
import { LocalRuns } from './local-runs.js';
import { PrepareInvoke } from './prepare-invoke.js';

/** As the Idempotency-Keys of it are filed. */
const RUN_AGENTS = 'run_session_task_agents';

/** The turn that starts agents, and what they have from it. */
interface Parent {
  turn: TurnRow;
  /** Whoever made it, as they are now. */
  author: Principal;
  /** Of the machine on which it runs; undefined where its runner takes no turns for that alone. */
  private_pool: string | undefined;
  /** The one key that sees its session; undefined where the project does. */
  owner_id: string | undefined;
}

/** An agent whose session was made and whose turn is in line, or why it is not. */
type Child = Required<Pick<SessionTaskAgentStart, 'name' | 'prompt' | 'mode'>> &
  Pick<SessionTaskAgentStart, 'title' | 'agent'> & { task_id: string } & (
    { turn: TurnRow; error: null } | { turn: null; error: TaskError }
  );

/**
 * An agent starts others below the task of its session, in one transaction that holds the fence of its turn: all of them
 * are made, or none is. What keeps one from starting is noted with its task, and nothing is left of its session.
 */
@Injectable()
export class RunAgentsFlow {
  constructor(
    private readonly idempotency: IdempotencyKeys,
    private readonly turns: SessionTurnsService,
    private readonly privateSessions: PrivateSessions,
    private readonly localRuns: LocalRuns,
    private readonly prepareInvoke: PrepareInvoke,
    private readonly tasks: TasksService,
    private readonly states: TaskStates,
  ) {}

  /**
   * Errors: idempotency_key_reused; stale_epoch, turn_not_found; turn_not_live of a turn that is to stop;
   * permission_denied, where whoever made the turn may not run sessions any more; task_limit, task_stopping.
   */
  run(
    { project_id, turn }: TurnPrincipal,
    { agents }: SessionTaskAgentsRun,
    key: string | undefined,
  ): Promise<SessionTaskAgentsStarted> {
    const { session_id, turn_id } = turn;
    const request = {
      project_id,
      operation: RUN_AGENTS,
      // Agents choose keys, so each turn has its own; all attempts at it have the same.
      key: key && `${turn_id}/${key}`,
      request: { session_id, turn_id, agents },
    };
    return this.idempotency.once<SessionTaskAgentsStarted>(request, async (tx) => {
      const parent = await this.parentOf(tx, { project_id, ...turn });
      const children: Child[] = [];
      for (const agent of agents) children.push(await this.start(tx, parent, agent));
      return { agents: await this.enter(tx, parent, children) };
    });
  }

  private async parentOf(tx: Transaction, fence: TurnFence): Promise<Parent> {
    const { turn, alreadyEnded } = await this.turns.lockForEnd(tx, fence);
    if (alreadyEnded) throw StaleEpoch({ session_id: turn.session_id, epoch: fence.epoch, current: fence.epoch });
    if (turn.status === 'stopping') throw TurnNotLive(turn);
    return {
      turn,
      author: await this.prepareInvoke.authorOf(tx, turn),
      private_pool: await this.turns.privatePoolOf(tx, turn),
      owner_id: await this.privateSessions.ownerOf(tx, turn),
    };
  }

  private async start(tx: Transaction, parent: Parent, asked: SessionTaskAgentStart): Promise<Child> {
    const { name, prompt, title, mode = 'remote', agent } = asked;
    const child = { task_id: uuidv7(), name, prompt, title, mode, agent };
    try {
      return { ...child, turn: await tx.attempt((inner) => this.startIn(inner, parent, child)), error: null };
    } catch (refusal) {
      if (!isDomainError(refusal)) throw refusal;
      return { ...child, turn: null, error: { kind: 'user', code: refusal.code, message: refusal.message } };
    }
  }

  private async startIn(
    tx: Transaction,
    parent: Parent,
    { task_id, name, prompt, mode, agent }: Pick<Child, 'task_id' | 'name' | 'prompt' | 'mode' | 'agent'>,
  ): Promise<TurnRow> {
    const { turn, author, private_pool, owner_id } = parent;
    const session = { project_id: turn.project_id, session_id: `task-${task_id}` };
    const start = { prompt, agent: agentOfChild(parent, agent), detached: true, fresh_start: false };
    await this.prepareInvoke.open(tx, author, session, { name });
    if (mode === 'remote') return this.prepareInvoke.start(tx, author, session, start);
    if (private_pool === undefined) throw NoLocalRunner({ reason: 'What runs this turn takes none for itself alone.' });
    const owner = owner_id ?? (author.kind === 'user' ? author.key_id : undefined);
    if (owner !== undefined) await this.localRuns.hide(tx, session, owner);
    return this.prepareInvoke.start(tx, author, session, { ...start, private_pool });
  }

  /** Their tasks. After their turns: whoever makes a turn takes a slot of the project first, and then tells its task. */
  private async enter(tx: Transaction, parent: Parent, children: Child[]): Promise<SessionTaskAgentStarted[]> {
    const own = await this.ownTask(tx, parent);
    const entered: SessionTaskAgentStarted[] = [];
    for (const child of children) {
      const { task_id, name, prompt, title, mode, agent, turn, error } = child;
      const session_id = turn?.session_id;
      const task = await this.tasks.make(tx, {
        project_id: own.project_id,
        parent_task_id: own.task_id,
        task_id,
        name,
        prompt,
        title,
        location: mode,
        source: 'orchestration',
        session_id,
        agent: turn ? agentOf(turn) : agent,
        created_by_id: null,
      });
      const { state } = turn
        ? await this.states.follow(tx, task, turnFact(turn)!, { silent: true })
        : await this.tasks.fail(tx, task, error);
      entered.push({ task_id, name, session_id: session_id ?? null, mode, state, error });
    }
    return entered;
  }

  private ownTask(tx: Transaction, { turn, owner_id }: Parent): Promise<TaskRow> {
    const isLocal = owner_id !== undefined;
    return this.tasks.ensureOwn(tx, turn, {
      location: isLocal ? 'local' : 'remote',
      source: isLocal ? 'cli' : 'user',
      created_by_id: null,
    });
  }
}

const agentOf = ({ agent_name: name, agent_revision: revision }: TurnRow) => ({ name, revision });

/** What a child runs. Whoever made the turn through a share names no other agent than its own. Errors: share_agent_fixed. */
function agentOfChild({ turn, author }: Parent, named: SessionTaskAgentStart['agent']): AgentReference {
  const own = agentOf(turn);
  if (!named || author.kind !== 'share') return named ?? own;
  if (named.name !== own.name || (named.revision ?? own.revision) !== own.revision) {
    throw ShareAgentFixed(turn);
  }
  return own;
}
