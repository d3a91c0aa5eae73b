import { randomUUID } from 'node:crypto';
import { HoldfastError, parseShareLink, type SessionShareCreate, type SessionTask } from '@holdfast/client';
import { createDataSource } from '@holdfast/platform-postgres';
import { eventually } from '@holdfast/testing';
import { insertKey } from './authorisation/tree.js';
import { followUntil, isEnd, textOf } from './follow.js';
import { PATIENCE_MS, startPlayedAgents, type PlayedAgent } from './played-agents.js';
import { startStack, type Stack } from './stack.js';

jest.setTimeout(120_000);

/** What an attempt comes to: `open`, or the code of the refusal. */
const outcome = (attempt: Promise<unknown>): Promise<string> =>
  attempt.then(
    () => 'open',
    (error: HoldfastError) => error.code,
  );

describe('trees of agents that are shared, over HTTP', () => {
  let stack: Stack;
  let played: Awaited<ReturnType<typeof startPlayedAgents>>;
  let database: ReturnType<typeof createDataSource>;
  beforeAll(async () => {
    stack = await startStack({ runner: false, env: { LEASE_SECONDS: '600' } });
    played = await startPlayedAgents(stack);
    const AgentSet = { harness: 'scripted' as const, max_attempts: 1 };
    await stack.client.agents.setAgent({ name: 'fragile', AgentSet });
    const named = { url: stack.databaseUrl(), poolSize: 1, applicationName: 'test' };
    database = await createDataSource(named, []).initialize();
  }, 90_000);
  afterAll(async () => {
    await database?.destroy();
    await stack?.stop();
  }, 30_000);

  const newSession = async () => {
    const session_id = `s-${randomUUID()}`;
    await stack.client.sessions.createSession({ session_id, SessionCreate: {} });
    return session_id;
  };
  const newTask = async (name: string, parent?: SessionTask) => {
    const SessionTaskCreate = { name, session_id: await newSession(), parent_task_id: parent?.task_id };
    return stack.client.tasks.createSessionTask({ SessionTaskCreate });
  };
  /** root ── child ── grandchild, and beside child: sibling. `stranger` is a tree of its own. */
  async function newTree() {
    const root = await newTask('Root');
    const child = await newTask('Child', root);
    const [grandchild, sibling, stranger] = [
      await newTask('Grandchild', child),
      await newTask('Sibling', root),
      await newTask('Stranger'),
    ];
    return { root, child, grandchild, sibling, stranger };
  }
  type Tree = Record<string, SessionTask>;

  const share = async (SessionShareCreate: SessionShareCreate, by = stack.client) => {
    const made = await by.shares.createSessionShare({ SessionShareCreate });
    return { ...made, share_id: made.share.share_id, viewer: stack.clientWith(made.token!) };
  };
  const shareTree = (task: SessionTask, more: Partial<SessionShareCreate> = {}) =>
    share({ session_id: task.session_id!, scope: 'tree', ...more });
  type Viewer = Stack['client'];
  const look = (viewer: Viewer, { session_id }: { session_id: string | null }) =>
    outcome(viewer.streams.fetchSessionStream({ session_id: session_id! }));
  /** Which of them somebody may look at; the others are not there for them. */
  async function reached(viewer: Viewer, tree: Tree): Promise<string[]> {
    const names: string[] = [];
    for (const [name, task] of Object.entries(tree)) {
      const is = await look(viewer, task);
      if (is === 'open') names.push(name);
      else expect([name, is]).toEqual([name, 'session_not_found']);
    }
    return names;
  }
  const sharesOf = async ({ session_id }: { session_id: string | null }) =>
    (await stack.client.shares.querySessionShares({ SessionShareQuery: { session_id: session_id! } })).data;
  const openingsOf = async (viewer: Viewer, { session_id }: SessionTask) =>
    (await viewer.shares.querySessionOpenings({ SessionOpeningQuery: { session_id: session_id! } })).data;
  const taskOf = (agent: PlayedAgent) => played.taskOf(agent.session_id);

  describe('where a share comes from', () => {
    it('Q01, Q08, Q09: every share of a user says so by a bare word, names the task beside it, and is not ambient', async () => {
      const { root, child, grandchild } = await newTree();
      const driven = await shareTree(root, { role: 'full' });
      const ways: [SessionTask, SessionShareCreate, Viewer][] = [
        [child, { session_id: child.session_id! }, stack.client],
        [child, { task_id: child.task_id, scope: 'tree' }, stack.client],
        [grandchild, { session_id: grandchild.session_id!, source: { source_type: 'user' } }, stack.client],
        [grandchild, { session_id: grandchild.session_id! }, driven.viewer],
      ];
      for (const [{ task_id }, create, by] of ways) {
        const { share: made, viewer } = await share(create, by);
        expect(made).toMatchObject({ source_type: 'user', source_task_id: task_id, is_ambient: false });
        const joined = await viewer.participants.joinSession({ SessionJoinCreate: {} });
        expect(joined).toMatchObject({ source_type: 'user', source_task_id: task_id });
      }
    });

    it('Q14, Q09, Q34: a remote agent shares itself when it starts, parent and child alike, once for all of its turns', async () => {
      const automaticOf = ({ task_id }: SessionTask) => ({
        task_id,
        scope: 'session',
        role: 'reader',
        origin: 'automatic',
        source_type: { ambient_agent: { task_id } },
        source_task_id: task_id,
        is_ambient: true,
      });
      const parent = await newTask('Lead');
      await stack.client.invoke({ session_id: parent.session_id!, prompt: 'Lead.' });
      expect(await sharesOf(parent)).toEqual([]);
      const lead = await played.run(parent.session_id!);
      // And one that becomes a parent by what it does.
      const session_id = await newSession();
      await stack.client.invoke({ session_id, prompt: 'Lead.' });
      const becoming = await played.run(session_id);
      const [, child] = await played.startBelow(lead, 'Here', 'There');
      const [, grandchild] = await played.startBelow(becoming, 'Here', 'There');
      for (const agent of [lead, child!, becoming, grandchild!]) {
        const automatic = automaticOf(await taskOf(agent));
        expect(await sharesOf(agent)).toMatchObject([automatic]);
        await agent.end('completed');
        await stack.client.invoke({ session_id: agent.session_id, prompt: 'Once more.' });
        await played.run(agent.session_id);
        expect(await sharesOf(agent)).toMatchObject([automatic]);
      }
    });

    it('Q15: a local agent is nobody’s but its owner’s, below it too, until it is shared', async () => {
      const lead = await played.lead();
      const [below] = await played.startBelow(lead, 'Below');
      const key = await insertKey(database, stack.keys.project_id, ['VIEW_SESSIONS', 'RUN_SESSIONS', 'EDIT_SESSIONS']);
      const colleague = stack.clientWith(key);
      const { data } = await colleague.sessions.querySessions({ SessionQuery: {} });
      for (const agent of [lead, below!]) {
        expect(await look(colleague, agent)).toBe('session_not_found');
        expect(await outcome(colleague.shares.createSessionShare({ SessionShareCreate: agent }))).toBe(
          'session_not_found',
        );
        expect(JSON.stringify(data)).not.toContain(agent.session_id);
        expect(await sharesOf(agent)).toEqual([]);
      }
      const { viewer } = await share({ session_id: lead.session_id, scope: 'tree' });
      for (const agent of [lead, below!]) {
        expect(await look(viewer, agent)).toBe('open');
        expect(await look(colleague, agent)).toBe('session_not_found');
      }
    });
  });

  describe('what is reached', () => {
    it('Q16, Q18, Q28, Q29: all that was there before the share, at every depth and from its first moment, and no share is made for it', async () => {
      const tree: Tree = await newTree();
      const own = await share({ session_id: tree['child']!.session_id! });
      const { viewer, share_id } = await shareTree(tree['root']!);
      expect(await reached(viewer, tree)).toEqual(['root', 'child', 'grandchild', 'sibling']);
      expect((await sharesOf(tree['root']!)).map((one) => one.share_id)).toEqual([share_id]);
      expect((await sharesOf(tree['child']!)).map((one) => one.share_id)).toEqual([own.share_id]);
      for (const name of ['grandchild', 'sibling']) expect(await sharesOf(tree[name]!)).toEqual([]);
    });

    it('Q17, Q26, Q27: what is started later below a shared tree is reached, below what is shared alone it is not', async () => {
      const session_id = await newSession();
      await stack.client.invoke({ session_id, prompt: 'Lead.' });
      const lead = await played.run(session_id);
      const whole = await share({ session_id, scope: 'tree' });
      const alone = await share({ session_id });
      expect((await whole.viewer.participants.joinSession({ SessionJoinCreate: {} })).task).toBeNull();
      const agents = await played.startBelow(lead, 'Local', 'Remote');
      agents.push(...(await played.startBelow(agents[0]!, 'Local below', 'Remote below')));
      for (const agent of agents) {
        expect(await look(whole.viewer, agent)).toBe('open');
        expect(await look(alone.viewer, agent)).toBe('session_not_found');
      }
      expect(await look(alone.viewer, lead)).toBe('open');
    });

    it('Q30: everything that is open through a host says so', async () => {
      const { root, child, grandchild, sibling } = await newTree();
      const { share_id, viewer } = await shareTree(root, { role: 'executor' });
      const through = { share_id, role: 'executor', scope: 'tree', host_session_id: root.session_id };
      for (const [task, via] of [
        [root, 'direct'],
        [child, 'tree'],
        [grandchild, 'tree'],
        [sibling, 'tree'],
      ] as const) {
        for (const who of [stack.client, viewer]) {
          expect(await openingsOf(who, task)).toEqual([
            expect.objectContaining({ ...through, via, host_task_id: root.task_id }),
          ]);
        }
      }
    });

    it('Q19, Q20: nothing that a viewer is told leads out of what the link is of', async () => {
      const tree: Tree = await newTree();
      const { child, grandchild } = tree as { child: SessionTask; grandchild: SessionTask };
      const outside = [tree['root']!, tree['sibling']!, tree['stranger']!];
      const { viewer } = await shareTree(child);
      expect(await reached(viewer, tree)).toEqual(['child', 'grandchild']);
      const joined = await viewer.participants.joinSession({ SessionJoinCreate: {} });
      const told: unknown[] = [{ ...joined, names: [] }];
      for (const SessionTaskQuery of [{}, { ancestor_task_id: child.task_id }, { root_task_id: child.task_id }]) {
        told.push(await viewer.tasks.querySessionTasks({ SessionTaskQuery }));
      }
      for (const { task_id } of [child, grandchild]) told.push(await viewer.tasks.fetchSessionTask({ task_id }));
      told.push(await viewer.sessions.querySessions({ SessionQuery: {} }));
      told.push(await viewer.streams.querySessionStreams({ SessionStreamQuery: {} }));
      expect(JSON.stringify(told)).toContain(grandchild.session_id);
      for (const { session_id, task_id } of outside) {
        for (const id of [session_id, task_id]) expect(JSON.stringify(told)).not.toContain(id);
        expect(await outcome(viewer.tasks.fetchSessionTask({ task_id }))).toBe('task_not_found');
        const SessionTaskQuery = { ancestor_task_id: task_id };
        expect(await outcome(viewer.tasks.querySessionTasks({ SessionTaskQuery }))).toBe('task_not_found');
        const SessionJoinCreate = { session_id: session_id! };
        expect(await outcome(viewer.participants.joinSession({ SessionJoinCreate }))).toBe('session_not_found');
      }
    });

    it('Q23: a link is of what it was made for, whoever it is handed to', async () => {
      const tree: Tree = await newTree();
      for (const [name, scope, open] of [
        ['root', 'tree', ['root', 'child', 'grandchild', 'sibling']],
        ['child', 'session', ['child']],
      ] as const) {
        const { link } = await share({ session_id: tree[name]!.session_id!, scope });
        for (const who of ['one', 'another']) {
          const { token } = parseShareLink(link)!;
          const joined = await stack.clientWith(token).participants.joinSession({ SessionJoinCreate: { name: who } });
          expect(joined).toMatchObject({ session: { session_id: tree[name]!.session_id }, share: { scope } });
          expect(await reached(stack.clientWith(joined.participant_token!), tree)).toEqual(open);
        }
      }
    });
  });

  describe('what may be done', () => {
    it('Q21: the role of the link is the most that anybody has in the host and in all below it', async () => {
      const { root, child, grandchild } = await newTree();
      const attempts = (viewer: Viewer, { session_id }: SessionTask) => {
        const named = { session_id: session_id! };
        return Promise.all([
          look(viewer, { session_id }),
          outcome(viewer.invoke({ ...named, prompt: 'Go on.' })),
          outcome(viewer.kill(session_id!)),
          outcome(viewer.shares.createSessionShare({ SessionShareCreate: named })),
        ]);
      };
      const no = 'permission_denied';
      for (const [role, may] of [
        ['reader', ['open', no, no, no]],
        ['executor', ['open', 'open', no, no]],
      ] as const) {
        const { viewer } = await shareTree(root, { role });
        for (const task of [root, child, grandchild]) expect(await attempts(viewer, task)).toEqual(may);
      }
      const { viewer } = await shareTree(child, { role: 'full' });
      expect(await outcome(viewer.kill(grandchild.session_id!))).toBe('open');
      expect(await attempts(viewer, root)).toEqual(Array(4).fill('session_not_found'));
    });

    it('Q22: an executor’s cancel and prompt are of the session that they name, and of no other', async () => {
      const lead = await played.lead();
      const below = await played.startBelow(lead, 'One', 'Two');
      const { viewer } = await share({ session_id: lead.session_id, scope: 'tree', role: 'executor' });
      const [one, two] = below as [PlayedAgent, PlayedAgent];
      await viewer.invoke({ session_id: one.session_id, on_busy: 'queue', prompt: 'And then this.' });
      await viewer.invoke({ session_id: lead.session_id });
      const waiting = async ({ session_id }: PlayedAgent) =>
        (await viewer.streams.querySessionInbox({ SessionInboxQuery: { session_id } })).data.length;
      expect(await Promise.all([lead, one, two].map(waiting))).toEqual([0, 1, 0]);
      const stopping = async ({ session_id }: PlayedAgent) => {
        const { data } = await viewer.streams.querySessionTurns({ SessionTurnQuery: { session_id } });
        return data.filter(({ status }) => status === 'stopping' || status === 'cancelled').length;
      };
      expect(await Promise.all([lead, one, two].map(stopping))).toEqual([1, 0, 0]);
    });
  });

  describe('what ends with its host', () => {
    const byShare = (reason: 'revoked' | 'stopped') => (share_id: string) =>
      stack.client.shares.revokeSessionShare({ SessionShareRevoke: { share_id, reason } });
    type End = (share_id: string, host: PlayedAgent) => Promise<unknown>;
    const ENDS: [string, End][] = [
      ['revoked', byShare('revoked')],
      ['stopped', byShare('stopped')],
      [
        'expired',
        // As if its time were over.
        (share_id) => database.query('UPDATE shares SET expires_at = now() WHERE share_id = $1', [share_id]),
      ],
      ['killed', (_, { session_id }) => stack.client.kill(session_id)],
      ['archived', (_, { session_id }) => stack.client.sessions.archiveSession({ session_id })],
      [
        'deleted',
        async (_, host) => {
          await host.end('completed');
          await stack.client.sessions.deleteSession({ session_id: host.session_id });
        },
      ],
      [
        'runner_lost',
        (_, { runners, grant: { session_id, turn_id, epoch } }) =>
          runners.detachSessionTurn({ SessionTurnDetach: { session_id, turn_id, epoch, reason: 'lost_contact' } }),
      ],
    ];

    it.each(ENDS)(
      'Q31, Q32, Q33: when a share is %s, all that it opened is closed, and nothing that was shared by itself',
      async (reason, end) => {
        // One attempt is all that it has.
        const lead = await played.lead({ name: 'fragile' });
        const [local, remote] = (await played.startBelow(lead, 'Local', 'Remote')) as [PlayedAgent, PlayedAgent];
        const [below] = await played.startBelow(local, 'Below');
        const { share_id, viewer } = await share({ session_id: lead.session_id, scope: 'tree' });
        const joined = await viewer.participants.joinSession({ SessionJoinCreate: {} });
        const participant = stack.clientWith(joined.participant_token!);
        const independent = await share({ session_id: local.session_id, scope: 'tree' });
        const [automatic] = await sharesOf(remote);
        const { token } = await stack.client.shares.rotateSessionShare({
          SessionShareRotate: { share_id: automatic!.share_id },
        });
        for (const one of [local, remote, below!]) expect(await look(participant, one)).toBe('open');

        await end(share_id, lead);
        for (const who of [viewer, participant]) {
          for (const one of [lead, local, remote, below!]) {
            await eventually(async () => expect(await look(who, one)).toBe('share_ended'), { timeout: PATIENCE_MS });
          }
          await expect(who.streams.fetchSessionStream(local)).rejects.toMatchObject({ problem: { reason } });
        }
        for (const one of [local, below!]) expect(await look(independent.viewer, one)).toBe('open');
        expect(await look(stack.clientWith(token!), remote)).toBe('open');
      },
    );
  });

  describe('the session of a task', () => {
    const link = ({ task_id }: SessionTask, session_id: string) =>
      stack.client.tasks.editSessionTask({ task_id, SessionTaskEdit: { session_id } });
    /** A task of which an agent is at work, in the place that is given. */
    async function working(place: 'local' | 'remote') {
      const lead = await played.lead();
      const [local, remote] = await played.startBelow(lead, 'Local', 'Remote');
      const agent = place === 'local' ? local! : remote!;
      return { agent, task: await taskOf(agent) };
    }

    it('Q38, Q40: is linked while the agent works, the same again changes nothing, and once it has ended no more', async () => {
      const { agent, task } = await working('remote');
      expect(task.state).toBe('in_progress');
      const session_id = await newSession();
      const linked = await link(task, session_id);
      expect(linked).toMatchObject({ session_id });
      expect(await link(task, session_id)).toMatchObject({ session_id, updated_at: linked.updated_at });

      const ended = await working('remote');
      await ended.agent.end('completed');
      for (const another of [await newSession(), ended.agent.session_id]) {
        expect(await outcome(link(ended.task, another))).toBe('task_ended');
      }
      expect(await taskOf(ended.agent)).toMatchObject({ task_id: ended.task.task_id, state: 'succeeded' });
      await agent.end('completed');
    });

    it('Q39, Q40: of a local agent that has ended is told in fetch and lists, and takes the same again', async () => {
      const { agent, task } = await working('local');
      await agent.end('completed');
      const { session_id } = agent;
      const ended = await stack.client.tasks.fetchSessionTask({ task_id: task.task_id });
      expect(ended).toMatchObject({ location: 'local', state: 'succeeded', session_id });
      const SessionTaskQuery = { parent_task_id: task.parent_task_id! };
      const { data } = await stack.client.tasks.querySessionTasks({ SessionTaskQuery });
      expect(data.find(({ task_id }) => task_id === task.task_id)).toMatchObject({ session_id });
      expect(await link(task, session_id)).toMatchObject({ session_id, updated_at: ended.updated_at });
      expect(await outcome(link(task, await newSession()))).toBe('task_ended');
    });
  });

  it('Q54: an agent that had ended before anybody looked is listed, and opens with all that it said', async () => {
    const lead = await played.lead();
    const [agent] = (await played.startBelow(lead, 'Early')) as [PlayedAgent];
    await agent.say('I am done.');
    await agent.end('completed');
    const { viewer } = await share({ session_id: lead.session_id, scope: 'tree' });
    const { task } = await viewer.participants.joinSession({ SessionJoinCreate: {} });
    const SessionTaskQuery = { parent_task_id: task!.task_id };
    const { data } = await viewer.tasks.querySessionTasks({ SessionTaskQuery });
    expect(data).toMatchObject([{ name: 'Early', state: 'succeeded', session_id: agent.session_id }]);
    expect(textOf(await followUntil({ ...stack, client: viewer }, agent.session_id, isEnd))).toBe('I am done.');
    const SessionTranscriptQuery = { session_id: agent.session_id };
    await eventually(
      async () => {
        const records = await viewer.transcripts.querySessionTranscripts({ SessionTranscriptQuery });
        expect(JSON.stringify(records.data)).toContain('I am done.');
      },
      { timeout: PATIENCE_MS },
    );
  });

  it('Q55, Q67: an agent that never started is listed as failed, and all have a name: theirs, their title, or "Agent"', async () => {
    const lead = await played.lead();
    const { agents } = await lead.runners.runSessionTaskAgents({
      Idempotency_Key: randomUUID(),
      SessionTaskAgentsRun: {
        agents: [
          { name: 'Nobody', prompt: 'Write.', agent: { name: 'unknown' } },
          { name: 'Somebody', prompt: 'Write.', mode: 'local', title: 'Not its name' },
        ],
      },
    });
    expect(agents).toMatchObject([
      { name: 'Nobody', state: 'failed', session_id: null, error: { kind: 'user', code: 'agent_not_found' } },
      { name: 'Somebody', state: 'queued' },
    ]);
    const { task_id: parent_task_id } = await taskOf(lead);
    for (const named of [{ title: 'Its title' }, {}]) {
      await stack.client.tasks.createSessionTask({ SessionTaskCreate: { parent_task_id, ...named } });
    }
    const { viewer } = await share({ session_id: lead.session_id, scope: 'tree' });
    const { data } = await viewer.tasks.querySessionTasks({ SessionTaskQuery: { parent_task_id } });
    expect(data.map(({ name }) => name)).toEqual(['Nobody', 'Somebody', 'Its title', 'Agent']);
    expect(data[0]).toMatchObject({ state: 'failed', session_id: null, error: { code: 'agent_not_found' } });
    const task_ids = data.map(({ task_id }) => task_id);
    const names = await viewer.tasks.fetchSessionTaskNames({ SessionTaskNameQuery: { task_ids } });
    expect(names.data.map(({ name }) => name)).toEqual(data.map(({ name }) => name));
  });
});
