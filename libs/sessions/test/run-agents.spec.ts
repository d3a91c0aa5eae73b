import { randomUUID } from 'node:crypto';
import { UnitOfWork } from '@holdfast/platform-postgres';
import { SubscriptionsService } from '@holdfast/durable-streams';
import { SessionAccess, type KeyPrincipal, type Principal, type TurnPrincipal } from '@holdfast/platform-auth';
import {
  ShareGrants,
  SharesService,
  TasksRepository,
  TasksService,
  type SessionTaskAgentsStarted,
  type SessionTaskAgentStart,
  type TaskRow,
} from '@holdfast/sessions-sharing';
import { localPool, SessionTurnsRepository, TurnClaimsService, type RunnerReplica } from '@holdfast/sessions-streams';
import { ClaimTurnsFlow, HandOverTurnFlow, InvokeSessionFlow, RunAgentsFlow } from '../src/index.js';
import { settle, startFlows, unlimited, type Flows, type OwnedTurn, type Project } from './flows-fixture.js';

/** What the log of a tree is told of a task. */
interface TaskEvent {
  type: string;
  task_id: string;
  data: { task?: { session_id: string | null } };
}

describe('agents that start agents', () => {
  let flows: Flows;
  let project: Project;
  beforeAll(async () => {
    flows = await startFlows({ maxLiveTurnsPerProject: 60 });
  });
  beforeEach(async () => {
    project = await flows.newProject();
  });
  afterAll(() => flows.stop());

  const newId = () => `s-${randomUUID()}`;
  const credential = ({ project_id, session_id, turn_id, epoch }: OwnedTurn): TurnPrincipal => ({
    project_id,
    key_id: randomUUID(),
    kind: 'turn',
    permissions: [],
    turn: { session_id, turn_id, epoch },
  });
  const run = (turn: OwnedTurn, agents: SessionTaskAgentStart[], key?: string): Promise<SessionTaskAgentsStarted> =>
    flows.app.get(RunAgentsFlow).run(credential(turn), { agents }, key);
  const asked = (name: string, more: Partial<SessionTaskAgentStart> = {}): SessionTaskAgentStart => ({
    name,
    prompt: `do ${name}`,
    ...more,
  });

  /** A turn that a runner runs, sent by a key. */
  const running = async (by: KeyPrincipal = project.principal, agent?: { name: string }): Promise<OwnedTurn> => {
    const session_id = newId();
    await project.invoke({ session_id, prompt: 'lead', detached: true, ...(agent && { agent }) }, undefined, by);
    const turn = await project.claim(session_id);
    await project.run(turn);
    return turn;
  };
  /** A runner of a machine. */
  const machine = async (offer: { pools?: string[] } = {}) => {
    const private_pool = `m-${randomUUID()}`;
    const { project_id } = project;
    const runner: RunnerReplica = { project_id, replica_id: randomUUID(), key_id: randomUUID() };
    await flows.app
      .get(TurnClaimsService)
      .register(runner, { pools: [], labels: [], capacity: 100, private_pool, ...offer });
    return {
      private_pool,
      /** All that it gets now. */
      async claim(): Promise<OwnedTurn[]> {
        const claims = flows.app.get(ClaimTurnsFlow);
        const owned: OwnedTurn[] = [];
        for (;;) {
          const grants = await claims.run(runner, { capacity: 100, wait_seconds: 0 }, unlimited);
          if (grants.length === 0) return owned;
          owned.push(...grants.map(({ session_id, turn_id, epoch }) => ({ project_id, session_id, turn_id, epoch })));
        }
      },
    };
  };
  /** A turn of `holdfast run --local`, and the machine that runs it. */
  const runningLocally = async (by: KeyPrincipal = project.principal) => {
    const here = await machine();
    const session_id = newId();
    const local = { private_pool: here.private_pool };
    await project.invoke({ session_id, prompt: 'lead', detached: true, local }, undefined, by);
    const [turn] = await here.claim();
    return { turn: turn!, here };
  };

  const repository = () => flows.app.get(TasksRepository);
  const task = async (task_id: string): Promise<TaskRow> =>
    (await repository().find({ project_id: project.project_id, task_id }))!;
  const taskOf = (session_id: string) => repository().ofSession({ project_id: project.project_id, session_id });
  const childrenOf = async ({ session_id }: { session_id: string }): Promise<TaskRow[]> => {
    const own = await taskOf(session_id);
    if (!own) return [];
    const { project_id } = project;
    return repository().list({ project_id, parent_task_id: own.task_id }, undefined, 1000);
  };
  const turnOf = async (session_id: string) => {
    const { current_turn_id } = await project.stream(session_id);
    return (await flows.app.get(SessionTurnsRepository).turn(project.project_id, current_turn_id!))!;
  };
  const sessions = async (): Promise<number> => {
    const [row] = await flows.sql<{ count: number }>(
      `SELECT count(*)::int AS count FROM sessions WHERE project_id = $1`,
      [project.project_id],
    );
    return row!.count;
  };
  const ownerOf = async (session_id: string): Promise<string | undefined> => {
    const [row] = await flows.sql<{ owner_id: string }>(
      `SELECT owner_id FROM private_sessions WHERE project_id = $1 AND session_id = $2`,
      [project.project_id, session_id],
    );
    return row?.owner_id;
  };

  it('gets each a task, a session of its own and a turn in line, in the order that it asked for them', async () => {
    const parent = await running();
    const { agents } = await run(parent, [asked('one', { title: 'First' }), asked('two')]);
    expect(agents.map(({ name, state, error, mode }) => ({ name, state, error, mode }))).toEqual([
      { name: 'one', state: 'queued', error: null, mode: 'remote' },
      { name: 'two', state: 'queued', error: null, mode: 'remote' },
    ]);
    const own = (await taskOf(parent.session_id))!;
    for (const [index, { task_id, session_id, name }] of agents.entries()) {
      expect(session_id).toBe(`task-${task_id}`);
      const turn = await turnOf(session_id!);
      expect(turn).toMatchObject({ status: 'queued', prompt: `do ${name}`, pool: 'default', detached: true });
      expect(await task(task_id)).toMatchObject({
        parent_task_id: own.task_id,
        root_task_id: own.task_id,
        depth: 1,
        spawn_order: index + 1,
        session_id,
        state: 'queued',
        location: 'remote',
        source: 'orchestration',
        turn_id: turn.turn_id,
        prompt: `do ${name}`,
      });
      expect(await project.types(session_id!)).toEqual(['session.created', 'turn.queued']);
    }
    expect((await task(agents[0]!.task_id)).title).toBe('First');
  });

  it('its session gets a task once, as the root of a tree; children of children go below', async () => {
    const parent = await running();
    await run(parent, [asked('one')]);
    const { agents } = await run(parent, [asked('two')]);
    const own = (await taskOf(parent.session_id))!;
    expect(own).toMatchObject({
      depth: 0,
      source: 'user',
      location: 'remote',
      state: 'in_progress',
      children_count: 2,
    });
    const child = await project.claim(agents[0]!.session_id!);
    const grandchild = (await run(child, [asked('three')])).agents[0]!;
    expect(await task(grandchild.task_id)).toMatchObject({
      ancestor_ids: [own.task_id, agents[0]!.task_id],
      spawn_path: [2, 1],
      root_task_id: own.task_id,
    });
  });

  it('starts 20 in one call, and their runner gets them all', async () => {
    const parent = await running();
    const names = Array.from({ length: 20 }, (_, n) => `agent ${n}`);
    const { agents } = await run(
      parent,
      names.map((name) => asked(name)),
    );
    expect(agents.map(({ name }) => name)).toEqual(names);
    const claimed = (await project.claimAll()).map(({ session_id }) => session_id);
    expect(claimed.sort()).toEqual(agents.map(({ session_id }) => session_id).sort());
    expect((await childrenOf(parent)).map(({ state }) => state)).toEqual(Array(20).fill('claimed'));
  });

  describe('authorisation', () => {
    it('is that of whoever made the calling turn, who is the author of the turns of its children and theirs', async () => {
      const key = await project.newKey();
      const parent = await running(key);
      const child = (await run(parent, [asked('one')])).agents[0]!;
      expect((await turnOf(child.session_id!)).created_by_id).toBe(key.key_id);
      const grandchild = (await run(await project.claim(child.session_id!), [asked('two')])).agents[0]!;
      expect((await turnOf(grandchild.session_id!)).created_by_id).toBe(key.key_id);
      // A turn made the tasks.
      for (const { task_id } of [child, grandchild]) expect((await task(task_id)).created_by_id).toBeNull();
    });

    it('ends with that key: nothing is made', async () => {
      const key = await project.newKey();
      const parent = await running(key);
      await project.revoke(key);
      const before = await sessions();
      await expect(run(parent, [asked('one')], 'k')).rejects.toMatchObject({ code: 'permission_denied' });
      expect(await sessions()).toBe(before);
      expect(await taskOf(parent.session_id)).toBeUndefined();
    });

    it('ends with the permission to run sessions', async () => {
      const key = await project.newKey();
      const parent = await running(key);
      await flows.sql(`UPDATE api_keys SET permissions = '{VIEW_SESSIONS}' WHERE id = $1`, [key.key_id]);
      await expect(run(parent, [asked('one')])).rejects.toMatchObject({ code: 'permission_denied' });
    });

    it('lets it name agents of the project only; without one a child runs the very revision of its parent', async () => {
      const parent = await running(project.principal, { name: 'codex' });
      await flows.sql(
        `INSERT INTO agent_revisions SELECT (jsonb_populate_record(r, '{"revision": 2}')).*
           FROM agent_revisions r WHERE project_id = $1 AND name = 'codex' AND revision = 1`,
        [project.project_id],
      );
      const { agents } = await run(parent, [
        asked('same'),
        asked('named', { agent: { name: 'scripted' } }),
        asked('strange', { agent: { name: 'nobody' } }),
        asked('too new', { agent: { name: 'scripted', revision: 99 } }),
      ]);
      const [same, named, strange, tooNew] = agents;
      expect(await turnOf(same!.session_id!)).toMatchObject({ agent_name: 'codex', agent_revision: 1 });
      expect(await turnOf(named!.session_id!)).toMatchObject({ agent_name: 'scripted' });
      expect(strange).toMatchObject({ session_id: null, error: { code: 'agent_not_found' } });
      expect(tooNew).toMatchObject({ session_id: null, error: { code: 'agent_revision_not_found' } });
    });

    it('takes the leave of the project for an agent that asks nobody', async () => {
      await flows.sql(`UPDATE agent_revisions SET approvals = 'bypass' WHERE project_id = $1 AND name = 'codex'`, [
        project.project_id,
      ]);
      const { agents } = await run(await running(), [asked('bold', { agent: { name: 'codex' } }), asked('meek')]);
      expect(agents).toMatchObject([
        { session_id: null, state: 'failed', error: { code: 'approval_bypass_not_allowed' } },
        { state: 'queued', error: null },
      ]);
    });
  });

  describe('below what is shared', () => {
    const share = async (session_id: string, scope: 'session' | 'tree', role: 'reader' | 'executor' = 'reader') => {
      const shares = flows.app.get(SharesService);
      const made = await shares.create(project.principal, { session_id, scope, role }, undefined);
      return {
        /** Whoever has the link, as they are let in now. */
        viewer: () => flows.app.get(ShareGrants).authenticate(made.token),
        end: () => shares.revoke(project.principal, { share_id: made.share.share_id, reason: 'revoked' }),
      };
    };
    const reached = async (viewer: Principal, { agents }: SessionTaskAgentsStarted): Promise<string[]> => {
      const ids = agents.flatMap(({ session_id }) => session_id ?? []);
      return [...(await flows.app.get(SessionAccess).reached(viewer, ids))].sort();
    };
    const sessionsOf = ({ agents }: SessionTaskAgentsStarted) => agents.map(({ session_id }) => session_id).sort();

    it('Q16, Q17, Q27: a tree that was shared before it had a task has the children of before and after, local and remote', async () => {
      const { turn } = await runningLocally();
      const before = await run(turn, [asked('near', { mode: 'local' }), asked('far')]);
      const later = await share(turn.session_id, 'tree');
      const fresh = await running();
      const early = await share(fresh.session_id, 'tree');
      const after = await run(turn, [asked('near too', { mode: 'local' }), asked('far too')]);
      const first = await run(fresh, [asked('one')]);
      for (const started of [before, after])
        expect(await reached(await later.viewer(), started)).toEqual(sessionsOf(started));
      expect(await reached(await early.viewer(), first)).toEqual(sessionsOf(first));
      await later.end();
      await early.end();
    });

    it('Q26: whoever sees a session only, and whoever sees nothing, reaches none of its children', async () => {
      const parent = await running();
      const alone = await share(parent.session_id, 'session');
      const elsewhere = await share((await running()).session_id, 'tree');
      const started = await run(parent, [asked('one')]);
      for (const { viewer } of [alone, elsewhere]) expect(await reached(await viewer(), started)).toEqual([]);
    });

    it('Q14, Q15: remote children are shared by themselves from their first claim on, local ones are not', async () => {
      const { turn, here } = await runningLocally();
      const [near, far] = (await run(turn, [asked('near', { mode: 'local' }), asked('far')])).agents;
      await here.claim();
      await project.claimAll();
      const automatic = await flows.sql<{ task_id: string }>(
        `SELECT task_id FROM shares WHERE project_id = $1 AND origin = 'automatic'`,
        [project.project_id],
      );
      expect(automatic).toEqual([{ task_id: far!.task_id }]);
      expect(near!.state).toBe('queued');
    });

    it('whoever came through a share starts what the session runs, for as long as they may drive it', async () => {
      const parent = await running();
      const { session_id } = parent;
      const link = await share(session_id, 'session', 'executor');
      const viewer = await link.viewer();
      await project.cancel(session_id);
      await project.complete(parent, 'cancelled');
      await flows.app.get(InvokeSessionFlow).run(viewer, { session_id, prompt: 'mine', detached: true }, undefined);
      const turn = await project.claim(session_id);
      const { agents } = await run(turn, [
        asked('same'),
        asked('named', { agent: { name: 'scripted' } }),
        asked('other', { agent: { name: 'codex' } }),
      ]);
      expect(agents.map(({ error }) => error?.code)).toEqual([undefined, undefined, 'share_agent_fixed']);
      expect((await turnOf(agents[0]!.session_id!)).created_by_id).toBe(viewer.key_id);
      const child = await project.claim(agents[0]!.session_id!);
      expect((await run(child, [asked('below')])).agents).toMatchObject([{ state: 'queued' }]);
      await link.end();
      const before = await sessions();
      for (const late of [turn, child]) {
        await expect(run(late, [asked('late')])).rejects.toMatchObject({ code: 'permission_denied' });
      }
      expect(await sessions()).toBe(before);
    });
  });

  describe('the fence', () => {
    const expectNothingMade = async (turn: OwnedTurn, code: string) => {
      const before = await sessions();
      await expect(run(turn, [asked('late')], randomUUID())).rejects.toMatchObject({ code });
      expect(await sessions()).toBe(before);
      expect(await childrenOf(turn)).toEqual([]);
    };

    it('keeps a killed turn from starting anybody', async () => {
      const turn = await running();
      await project.kill(turn.session_id);
      await expectNothingMade(turn, 'stale_epoch');
    });

    it('keeps one that was superseded, and one that is over', async () => {
      const turn = await running();
      await project.send(turn.session_id, { force: true });
      await expectNothingMade(turn, 'turn_not_live');
      await project.complete(turn, 'cancelled');
      await expectNothingMade(turn, 'stale_epoch');
      await project.claim(turn.session_id);
      await expectNothingMade(turn, 'stale_epoch');
    });

    it('keeps one that is to stop', async () => {
      const turn = await running();
      await project.cancel(turn.session_id);
      await expectNothingMade(turn, 'turn_not_live');
    });

    it('keeps an attempt that was lost; the next one goes on, and finds under its key what was made', async () => {
      const turn = await running();
      const first = await run(turn, [asked('one')], 'k');
      // Its runner dies between that and its next call.
      await flows.app.get(HandOverTurnFlow).run(project.project_id, { ...turn, reason: 'lost_contact' });
      await expect(run(turn, [asked('two')], 'other')).rejects.toMatchObject({ code: 'stale_epoch' });
      const next = await project.claim(turn.session_id);
      expect(await run(next, [asked('one')], 'k')).toEqual(first);
      expect(await childrenOf(turn)).toHaveLength(1);
      await run(next, [asked('two')], 'other');
      expect(await childrenOf(turn)).toHaveLength(2);
    });
  });

  describe('an Idempotency-Key', () => {
    it('of retries at once makes each agent once, and all are answered alike', async () => {
      const parent = await running();
      const answers = await Promise.all([1, 2, 3, 4].map(() => run(parent, [asked('one'), asked('two')], 'k')));
      for (const answer of answers) expect(answer).toEqual(answers[0]);
      expect(await childrenOf(parent)).toHaveLength(2);
      await project.claimAll();
      expect(await run(parent, [asked('one'), asked('two')], 'k')).toEqual(answers[0]);
      await expect(run(parent, [asked('three')], 'k')).rejects.toMatchObject({ code: 'idempotency_key_reused' });
    });

    it('is one turn’s own: that of another turn makes other agents', async () => {
      const [one, other] = [await running(), await running()];
      await run(one, [asked('one')], 'k');
      await run(other, [asked('other')], 'k');
      expect(await childrenOf(one)).toMatchObject([{ name: 'one' }]);
      expect(await childrenOf(other)).toMatchObject([{ name: 'other' }]);
    });

    it('answers with what did not start as well, and does not try again', async () => {
      const parent = await running();
      const first = await run(parent, [asked('strange', { agent: { name: 'nobody' } })], 'k');
      expect(await run(parent, [asked('strange', { agent: { name: 'nobody' } })], 'k')).toEqual(first);
      expect(await childrenOf(parent)).toHaveLength(1);
    });

    it('is not needed: two calls at once make their own agents, each with its place', async () => {
      const parent = await running();
      await Promise.all([run(parent, [asked('a'), asked('b')]), run(parent, [asked('c'), asked('d')])]);
      const children = await childrenOf(parent);
      expect(children.map(({ spawn_order }) => spawn_order)).toEqual([1, 2, 3, 4]);
      expect(['abcd', 'cdab']).toContain(children.map(({ name }) => name).join(''));
    });
  });

  describe('an agent that does not start', () => {
    it('Q55: is a failed task without a session, with its error; the others go on', async () => {
      const parent = await running();
      const before = await sessions();
      const { agents } = await run(parent, [
        asked('one'),
        asked('strange', { agent: { name: 'nobody' } }),
        asked('two'),
      ]);
      expect(agents).toMatchObject([
        { state: 'queued', error: null },
        { state: 'failed', session_id: null, error: { kind: 'user', code: 'agent_not_found' } },
        { state: 'queued', error: null },
      ]);
      expect(await sessions()).toBe(before + 2);
      const children = await childrenOf(parent);
      expect(children.map(({ state }) => state)).toEqual(['queued', 'failed', 'queued']);
      expect(children[1]).toMatchObject({
        session_id: null,
        agent_name: 'nobody',
        error: { kind: 'user', code: 'agent_not_found', message: agents[1]!.error!.message },
      });
      expect(children[1]!.ended_at).not.toBeNull();
    });

    it('Q55: is told of the project’s cap as of anything else, one by one', async () => {
      const full = await startFlows({ maxLiveTurnsPerProject: 3 }, flows);
      try {
        const parent = await running();
        const { agents } = await full.app
          .get(RunAgentsFlow)
          .run(credential(parent), { agents: [1, 2, 3, 4].map((n) => asked(`${n}`)) }, undefined);
        expect(agents.map(({ error }) => error?.code)).toEqual([
          undefined,
          undefined,
          'project_at_capacity',
          'project_at_capacity',
        ]);
        expect((await childrenOf(parent)).map(({ state }) => state)).toEqual(['queued', 'queued', 'failed', 'failed']);
      } finally {
        await full.stop();
      }
    });

    it('leaves nothing of the call where something else breaks', async () => {
      const parent = await running();
      const before = await sessions();
      await flows.sql(`ALTER TABLE session_turns ADD CONSTRAINT broken CHECK (prompt <> 'do two') NOT VALID`);
      try {
        await expect(run(parent, [asked('one'), asked('two')], 'k')).rejects.toThrow(/broken/);
      } finally {
        await flows.sql(`ALTER TABLE session_turns DROP CONSTRAINT broken`);
      }
      expect(await sessions()).toBe(before);
      expect(await childrenOf(parent)).toEqual([]);
      await run(parent, [asked('one'), asked('two')], 'k');
      expect(await childrenOf(parent)).toHaveLength(2);
    });
  });

  describe('limits', () => {
    it('nobody is started where the tree is as deep as it may be', async () => {
      let turn = await running();
      for (let depth = 1; depth <= 16; depth++) {
        const { agents } = await run(turn, [asked(`at ${depth}`)]);
        turn = await project.claim(agents[0]!.session_id!);
      }
      expect(await taskOf(turn.session_id)).toMatchObject({ depth: 16 });
      const before = await sessions();
      await expect(run(turn, [asked('too deep')])).rejects.toMatchObject({ code: 'task_limit' });
      expect(await sessions()).toBe(before);
    });

    it('nobody is started below what is being stopped', async () => {
      const parent = await running();
      await run(parent, [asked('one')]);
      const before = await sessions();
      await flows.sql(`UPDATE tasks SET stopping = 'cancel' WHERE project_id = $1 AND session_id = $2`, [
        project.project_id,
        parent.session_id,
      ]);
      await expect(run(parent, [asked('two')])).rejects.toMatchObject({ code: 'task_stopping' });
      expect(await sessions()).toBe(before);
    });
  });

  it('agents of one tree start others at once while it is killed: each does or is refused, and none escapes', async () => {
    const root = await running();
    await run(
      root,
      ['1', '2', '3', '4'].map((name) => asked(name)),
    );
    const children = await project.claimAll();
    const own = (await taskOf(root.session_id))!;
    const starts = [root, ...children].flatMap((turn) => [
      run(turn, [asked('a'), asked('b')]),
      run(turn, [asked('c'), asked('d')]),
    ]);
    // Somewhere among them: the order of what waits for the tree is the database's to choose.
    await starts[0];
    const stopped = flows.app.get(TasksService).stop(project.principal, own.task_id, 'kill');
    const { done, codes } = await settle(starts);
    await stopped;
    expect(new Set(codes)).toEqual(new Set(codes.length ? ['task_stopping'] : []));
    const tree = await flows.sql<{ stopping: string | null }>(
      `SELECT stopping FROM tasks WHERE project_id = $1 AND root_task_id = $2`,
      [project.project_id, own.task_id],
    );
    expect(tree).toHaveLength(1 + 4 + 2 * done.length);
    expect(tree.every(({ stopping }) => stopping === 'kill')).toBe(true);
    expect(await sessions()).toBe(tree.length);
    await expect(run(root, [asked('late')])).rejects.toMatchObject({ code: 'task_stopping' });
  });

  describe('placement', () => {
    it('Q15: a local child goes to the machine of its parent and nowhere else, and is private to its parent’s key', async () => {
      const { turn, here } = await runningLocally();
      const { agents } = await run(turn, [asked('near', { mode: 'local' })]);
      const [near] = agents;
      expect(near).toMatchObject({ mode: 'local', state: 'queued' });
      expect(await turnOf(near!.session_id!)).toMatchObject({ pool: localPool(here.private_pool), labels: [] });
      expect(await task(near!.task_id)).toMatchObject({ location: 'local' });
      expect(await ownerOf(near!.session_id!)).toBe(project.principal.key_id);
      expect(await project.claimAll()).toEqual([]);
      expect((await here.claim()).map(({ session_id }) => session_id)).toEqual([near!.session_id]);
    });

    it('Q15: a local child is told by no pattern of a subscription, a remote one is', async () => {
      const key = { project_id: project.project_id, subscription_id: 'all' };
      const subscriptions = flows.app.get(SubscriptionsService);
      const all = { type: 'pull-wake', pattern: 'sessions/*/events', wake_stream: 'wakes' } as const;
      await subscriptions.create(key, all, 'http://api.test');
      const { turn } = await runningLocally();
      const { agents } = await run(turn, [asked('near', { mode: 'local' }), asked('far')]);
      const { subscription } = await subscriptions.fetch(key);
      expect(subscription.streams.map(({ path }) => path)).toEqual([`sessions/${agents[1]!.session_id}/events`]);
    });

    it('a local parent starts remote children, which its project sees', async () => {
      const { turn, here } = await runningLocally();
      const far = (await run(turn, [asked('far')])).agents[0]!;
      expect(await here.claim()).toEqual([]);
      expect((await project.claimAll()).map(({ session_id }) => session_id)).toEqual([far.session_id]);
      expect(await ownerOf(far.session_id!)).toBeUndefined();
      expect(await task(far.task_id)).toMatchObject({ location: 'remote' });
      expect(await taskOf(turn.session_id)).toMatchObject({ location: 'local', source: 'cli' });
    });

    it('a remote parent starts children that are local to what runs it', async () => {
      const key = await project.newKey();
      const driver = await machine({ pools: ['default'] });
      const session_id = newId();
      await project.invoke({ session_id, prompt: 'lead', detached: true }, undefined, key);
      const [parent] = await driver.claim();
      const near = (await run(parent!, [asked('near', { mode: 'local' })])).agents[0]!;
      expect(await project.claimAll()).toEqual([]);
      expect((await driver.claim()).map((turn) => turn.session_id)).toEqual([near.session_id]);
      expect(await ownerOf(near.session_id!)).toBe(key.key_id);
      expect(await ownerOf(session_id)).toBeUndefined();
    });

    it('a local child is refused where what runs its parent has no place for it; a remote one beside it starts', async () => {
      const parent = await running();
      const { agents } = await run(parent, [asked('near', { mode: 'local' }), asked('far')]);
      expect(agents).toMatchObject([
        { mode: 'local', state: 'failed', session_id: null, error: { kind: 'user', code: 'no_local_runner' } },
        { mode: 'remote', state: 'queued', error: null },
      ]);
    });

    it('a local child may not be an agent that is a service', async () => {
      await flows.sql(
        `UPDATE agent_revisions SET harness = 'push', pool = NULL, push_url = 'http://127.0.0.1:9/'
          WHERE project_id = $1 AND name = 'codex'`,
        [project.project_id],
      );
      const { turn } = await runningLocally();
      const { agents } = await run(turn, [
        asked('near', { mode: 'local', agent: { name: 'codex' } }),
        asked('far', { agent: { name: 'codex' } }),
      ]);
      expect(agents).toMatchObject([{ error: { code: 'no_local_runner' } }, { state: 'queued' }]);
      expect(await turnOf(agents[1]!.session_id!)).toMatchObject({ pool: null, push_url: 'http://127.0.0.1:9/' });
    });

    it('a later prompt of a local child goes to the same machine', async () => {
      const { turn, here } = await runningLocally();
      const near = (await run(turn, [asked('near', { mode: 'local' })])).agents[0]!;
      const [child] = await here.claim();
      const waiting = await project.send(near.session_id!, { on_busy: 'queue' });
      await project.complete(child!);
      const [next] = await here.claim();
      expect(next).toMatchObject({ turn_id: waiting });
      await project.complete(next!);
      const later = await project.send(near.session_id!);
      expect(await here.claim()).toMatchObject([{ turn_id: later }]);
    });
  });

  it('Q51: a child has its session from the first event of it on, and never another one', async () => {
    const parent = await running();
    const { agents } = await run(parent, [asked('one'), asked('strange', { agent: { name: 'nobody' } })]);
    await project.claimAll();
    const own = (await taskOf(parent.session_id))!;
    const told = await flows.sql<{ event: TaskEvent }>(
      `SELECT event FROM task_activity WHERE project_id = $1 AND root_task_id = $2 ORDER BY id`,
      [project.project_id, own.root_task_id],
    );
    for (const { task_id, session_id } of agents) {
      const events = told.map(({ event }) => event).filter((event) => event.task_id === task_id && event.data.task);
      expect(events[0]).toMatchObject({ type: 'task.created' });
      expect(new Set(events.map(({ data }) => data.task!.session_id))).toEqual(new Set([session_id]));
    }
  });

  it('commits everything or nothing, also where its connection goes', async () => {
    const parent = await running();
    const unitOfWork = flows.app.get(UnitOfWork);
    const original = unitOfWork.run.bind(unitOfWork);
    const cut = jest.spyOn(unitOfWork, 'run').mockImplementationOnce((work) =>
      original(async (tx) => {
        const result = await work(tx);
        await tx.query('SELECT pg_terminate_backend(pg_backend_pid())');
        return result;
      }),
    );
    await expect(run(parent, [asked('one'), asked('two')], 'k')).rejects.toThrow();
    cut.mockRestore();
    expect(await childrenOf(parent)).toEqual([]);
    const { agents } = await run(parent, [asked('one'), asked('two')], 'k');
    expect(await childrenOf(parent)).toHaveLength(2);
    expect((await project.claimAll()).length).toBe(agents.length);
  });
});
