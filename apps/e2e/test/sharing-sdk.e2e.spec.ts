import { randomUUID } from 'node:crypto';
import {
  HoldfastClient,
  readTree,
  SessionViewer,
  Sharer,
  TaskTreeViewer,
  type SessionTask,
  type TreeViewerOptions,
  type ViewerAccess,
  type ViewNews,
} from '@holdfast/client';
import { eventually } from '@holdfast/testing';
import { startStack, type Stack } from './stack.js';

jest.setTimeout(120_000);

/** On a loaded machine too. */
const soon = <T>(check: () => T | Promise<T>) => eventually(check, { timeout: 40_000 });

const JOIN = 'POST /v1/sessions/participants/join';
const LIST = 'POST /v1/sessions/tasks/query';
const WATCH = 'POST /v1/sessions/streams/watch';

/** A fetch that notes what is asked for. */
function countingFetch() {
  const asked: string[] = [];
  const counting: typeof fetch = (input, init) => {
    asked.push(`${init?.method ?? 'GET'} ${new URL(String(input)).pathname}`);
    return fetch(input, init);
  };
  return { fetch: counting, asked };
}

/** Ends what a test that failed has left open. */
const open = new Set<AbortController>();
afterEach(() => {
  for (const leaving of open) leaving.abort();
  open.clear();
});

/** Follows a viewer; `news` shows what came so far. */
function start<V extends SessionViewer | TaskTreeViewer>(viewer: V) {
  const leaving = new AbortController();
  open.add(leaving);
  const news: ViewNews[] = [];
  let error: unknown;
  const done = (async () => {
    for await (const one of viewer.follow({ signal: leaving.signal })) news.push(one);
  })().catch((thrown: unknown) => (error = thrown));
  const of = (session_id: string) =>
    news.flatMap((one) => (one.kind === 'event' && one.session_id === session_id ? [one] : []));
  return {
    viewer,
    news,
    of,
    typesOf: (session_id: string) => of(session_id).map(({ event }) => event.type),
    positionsOf: (session_id: string) => of(session_id).map(({ offset }) => Number(offset.slice(-16))),
    materialised: () => news.flatMap((one) => (one.kind === 'materialise' ? [one.session_id] : [])),
    isLive: () => soon(() => expect(viewer.state.status).toBe('live')),
    done,
    error: () => error,
    async stop(): Promise<void> {
      leaving.abort();
      await done;
    },
  };
}

const upTo = (last: number) => Array.from({ length: last }, (_, index) => index + 1);

describe('viewers and sharers of the SDK', () => {
  let stack: Stack;
  beforeAll(async () => {
    stack = await startStack({ runner: false });
  }, 60_000);
  afterAll(() => stack?.stop(), 30_000);

  const newSession = async () => {
    const session_id = `s-${randomUUID()}`;
    await stack.client.sessions.createSession({ session_id, SessionCreate: {} });
    return session_id;
  };
  const newTask = (create: Parameters<HoldfastClient['tasks']['createSessionTask']>[0]['SessionTaskCreate']) =>
    stack.client.tasks.createSessionTask({ SessionTaskCreate: create });
  const link = (task_id: string, session_id: string) =>
    stack.client.tasks.editSessionTask({ task_id, SessionTaskEdit: { session_id } });
  /** A session that works on a task at the top of a tree. */
  const newTree = async () => {
    const session_id = await newSession();
    return { session_id, root: await newTask({ session_id, name: 'Conductor' }) };
  };
  /** An agent below `parent`, in a session of its own. */
  const newAgent = async (parent: SessionTask, name: string) => {
    const session_id = await newSession();
    return { session_id, task: await newTask({ parent_task_id: parent.task_id, name, session_id }) };
  };
  const share = (session_id: string, scope: 'session' | 'tree' = 'session', role: 'reader' | 'executor' = 'reader') =>
    new Sharer({ client: stack.client, session_id }).share({ scope, role });
  const withKey = (session_id: string): ViewerAccess & { session_id: string } => ({
    url: stack.url,
    credential: stack.keys.api_key,
    session_id,
  });
  const viewTree = (options: TreeViewerOptions) => start(new TaskTreeViewer(options));
  const viewSession = (options: ConstructorParameters<typeof SessionViewer>[0]) => start(new SessionViewer(options));
  const prompt = (session_id: string) => stack.client.invoke({ session_id, prompt: 'Go on.' });
  const cancel = (session_id: string) => stack.client.invoke({ session_id });

  it.each(['link', 'key'] as const)(
    'Q41 by a %s, a session without agents below costs one join, one list and one connection, until its log moves',
    async (access) => {
      const { session_id } = await newTree();
      const { link: url } = await share(session_id, 'tree');
      const { fetch, asked } = countingFetch();
      const view = viewSession({ ...(access === 'link' ? { link: url } : withKey(session_id)), fetch });
      await view.isLive();
      await soon(() => expect(asked).toContain(LIST));
      await prompt(session_id);
      await cancel(session_id);
      await soon(() => expect(view.typesOf(session_id)).toContain('turn.cancelled'));
      expect([...asked].sort()).toEqual([JOIN, WATCH, LIST].sort());
      await view.stop();
    },
  );

  it('Q12 Q42 a session of no task costs one join and one connection', async () => {
    const session_id = await newSession();
    const { link: url } = await share(session_id, 'tree');
    const { fetch, asked } = countingFetch();
    const view = viewSession({ link: url, fetch });
    await view.isLive();
    await prompt(session_id);
    await cancel(session_id);
    await soon(() => expect(view.typesOf(session_id)).toContain('turn.cancelled'));
    expect(view.viewer.source_task_id).toBeNull();
    expect(asked).toEqual([JOIN, WATCH]);
    await view.stop();
  });

  it('Q16 Q17 Q18 Q50 Q51 Q54 Q58 by one link all agents are seen, those that were there, those that come, at any depth', async () => {
    const { session_id, root } = await newTree();
    const early = await newAgent(root, 'Early');
    await prompt(early.session_id);
    await cancel(early.session_id);
    const { link: url } = await share(session_id, 'tree');
    const { fetch, asked } = countingFetch();
    const view = viewTree({ link: url, fetch });
    await soon(() => expect(view.typesOf(early.session_id)).toContain('turn.cancelled'));
    expect(asked.filter((one) => one === WATCH)).toHaveLength(1);

    const late = await newTask({ parent_task_id: early.task.task_id, name: 'Late' });
    await soon(() => expect(view.viewer.tree.task(late.task_id)).toMatchObject({ session_id: null }));
    const late_session = await newSession();
    await link(late.task_id, late_session);
    await link(late.task_id, late_session);
    await prompt(late_session);
    await soon(() => expect(view.typesOf(late_session)).toContain('turn.queued'));

    expect(view.materialised().sort()).toEqual([session_id, early.session_id, late_session].sort());
    expect([...view.viewer.tree.walk()].map(({ task, depth }) => `${depth} ${task.name}`)).toEqual([
      '0 Conductor',
      '1 Early',
      '2 Late',
    ]);
    expect(asked.filter((one) => one === JOIN || one === LIST)).toHaveLength(2);
    await view.stop();
  });

  it('Q19 Q20 Q60 Q66 a link to one agent shows that one: no parent, no siblings, no list, but their names', async () => {
    const { session_id, root } = await newTree();
    const child = await newAgent(root, 'Scout');
    const sibling = await newAgent(root, 'Twin');
    await newAgent(child.task, 'Grandchild');
    const { link: url } = await share(child.session_id);
    const { fetch, asked } = countingFetch();
    const view = viewTree({ link: url, fetch });
    await view.isLive();
    await prompt(child.session_id);
    await soon(() => expect(view.typesOf(child.session_id)).toContain('turn.queued'));
    expect([...view.viewer.tree.walk()]).toEqual([]);
    expect(view.viewer.nameOf(sibling.task.task_id)).toBe('Twin');
    expect(view.viewer.nameOf(randomUUID())).toBe('Unknown agent');
    expect(new Set(view.news.map(({ kind }) => kind))).toEqual(new Set(['event']));
    expect(asked).toEqual([JOIN, WATCH]);
    for (const other of [session_id, sibling.session_id]) {
      await expect(view.viewer.client.streams.fetchSessionStream({ session_id: other })).rejects.toMatchObject({
        code: 'session_not_found',
      });
    }
    await view.stop();
  });

  it('Q19 a link to the tree below an agent shows nothing above or beside it', async () => {
    const { root } = await newTree();
    const child = await newAgent(root, 'Scout');
    const sibling = await newAgent(root, 'Twin');
    const { link: url } = await share(child.session_id, 'tree');
    const view = viewTree({ link: url });
    await view.isLive();
    const grandchild = await newAgent(child.task, 'Grandchild');
    const beside = await newAgent(sibling.task, 'Beside');
    await soon(() => expect(view.viewer.tree.task(grandchild.task.task_id)).toBeDefined());
    expect([...view.viewer.tree.walk()].map(({ task, depth }) => `${depth} ${task.name}`)).toEqual([
      '0 Scout',
      '1 Grandchild',
    ]);
    expect(JSON.stringify(view.news)).not.toContain(beside.task.task_id);
    for (const outside of [root, sibling.task, beside.task]) {
      expect(JSON.stringify(view.news)).not.toContain(outside.session_id);
    }
    expect(view.viewer.tree.task(grandchild.task.task_id)).toMatchObject({
      root_task_id: child.task.task_id,
      depth: 1,
      spawn_path: [1],
    });
    await view.stop();
  });

  it('Q19 with a key, the view of an agent shows what is below it, though the log tells of all', async () => {
    const { root } = await newTree();
    const child = await newAgent(root, 'Scout');
    const view = viewTree(withKey(child.session_id));
    await view.isLive();
    const sibling = await newAgent(root, 'Twin');
    const grandchild = await newAgent(child.task, 'Grandchild');
    await soon(() => expect(view.viewer.tree.task(grandchild.task.task_id)).toBeDefined());
    expect(view.viewer.tree.task(sibling.task.task_id)).toBeUndefined();
    expect([...view.viewer.tree.walk()].map(({ task }) => task.name)).toEqual(['Scout', 'Grandchild']);
    await view.stop();
  });

  it('Q10 Q11 Q27 Q58 a task that becomes known while a session is viewed reaches the viewer, and then its agents do', async () => {
    const session_id = await newSession();
    const { link: url } = await share(session_id, 'tree');
    const { fetch, asked } = countingFetch();
    const view = viewTree({ link: url, fetch });
    await view.isLive();
    expect(view.viewer.joined!.source_task_id).toBeNull();
    const root = await newTask({ session_id, name: 'Conductor' });
    await soon(() => expect(asked.filter((one) => one === LIST)).toHaveLength(1));
    const child = await newAgent(root, 'Scout');
    await prompt(child.session_id);
    await soon(() => expect(view.typesOf(child.session_id)).toContain('turn.queued'));
    expect(asked.filter((one) => one === JOIN || one === LIST)).toHaveLength(2);
    await view.stop();
  });

  it('Q53 loses and doubles nothing of any agent when the api is killed and started again', async () => {
    const { session_id, root } = await newTree();
    const child = await newAgent(root, 'Scout');
    const { link: url } = await share(session_id, 'tree');
    const view = viewTree({ link: url });
    await view.isLive();
    for (const one of [session_id, child.session_id]) await prompt(one);
    await soon(() => expect(view.typesOf(child.session_id)).toContain('turn.queued'));
    await stack.api.kill();
    await soon(() => expect(view.viewer.state.status).toBe('reconnecting'));
    expect(view.viewer.tree.task(child.task.task_id)).toBeDefined();
    await stack.api.start();
    for (const one of [session_id, child.session_id]) await cancel(one);
    const another = await newAgent(root, 'Another');
    await soon(() => {
      expect(view.typesOf(child.session_id)).toContain('turn.cancelled');
      expect(view.typesOf(session_id)).toContain('turn.cancelled');
      expect(view.materialised()).toContain(another.session_id);
    });
    for (const one of [session_id, child.session_id]) {
      expect(view.positionsOf(one)).toEqual(upTo(view.positionsOf(one).length));
    }
    expect(new Set(view.materialised()).size).toBe(view.materialised().length);
    await view.stop();
  });

  it('ends with its share, and says why; a view by another share goes on', async () => {
    const session_id = await newSession();
    const sharer = new Sharer({ client: stack.client, session_id });
    const { link: url } = await sharer.share();
    const independent = await share(session_id);
    const view = viewSession({ link: url });
    const other = viewSession({ link: independent.link });
    await view.isLive();
    await other.isLive();
    await sharer.stop();
    await view.done;
    expect(view.viewer.state).toEqual({ status: 'ended', reason: 'stopped' });
    expect(view.error()).toBeUndefined();
    await prompt(session_id);
    await soon(() => expect(other.typesOf(session_id)).toContain('turn.queued'));
    await other.stop();

    const late = viewSession({ link: url });
    await late.done;
    expect(late.viewer.state).toEqual({ status: 'ended', reason: 'stopped' });
  });

  it('Q23 another link for the same share shuts out whoever came by the old one', async () => {
    const session_id = await newSession();
    const sharer = new Sharer({ client: stack.client, session_id });
    const { link: url } = await sharer.share();
    const view = viewSession({ link: url });
    await view.isLive();
    const { link: next } = await sharer.rotate();
    await soon(() => expect(['ended', 'failed']).toContain(view.viewer.state.status));
    await view.done;
    const again = viewSession({ link: next });
    await again.isLive();
    await again.stop();
  });

  it('Q57 Q62 viewers see each other come, select, ask for a role, get it and go; what one chooses stays its own', async () => {
    const { session_id, root } = await newTree();
    const child = await newAgent(root, 'Scout');
    const { link: url } = await share(session_id, 'tree');
    const one = viewTree({ link: url, name: 'One' });
    await one.isLive();
    const two = viewTree({ link: url, name: 'Two', agents: [] });
    await two.isLive();
    const namesSeen = () => one.viewer.participants.map(({ name }) => name);
    await soon(() => expect(namesSeen()).toEqual(['One', 'Two']));

    await two.viewer.me.select({ record_id: 'turn 1' });
    await soon(() =>
      expect(one.viewer.participants[1]).toMatchObject({ name: 'Two', selection: { record_id: 'turn 1' } }),
    );
    const before = one.of(session_id).length;
    two.viewer.choose(child.task.task_id);
    two.viewer.activate(child.task.task_id);
    await prompt(child.session_id);
    await soon(() => expect(two.typesOf(child.session_id)).toContain('turn.queued'));
    expect(one.of(session_id)).toHaveLength(before);

    await expect(two.viewer.invoke({ prompt: 'May I?' })).rejects.toMatchObject({ code: 'permission_denied' });
    await two.viewer.me.requestRole('executor');
    expect(two.viewer.me.roleRequest.status).toBe('pending');
    await stack.client.participants.answerSessionRoleRequest({
      SessionRoleRequestAnswer: { request_id: two.viewer.me.roleRequest.request_id!, verdict: 'approve' },
    });
    await soon(() => expect(two.viewer.me).toMatchObject({ role: 'executor' }));
    expect(two.viewer.me.roleRequest.status).toBe('approved');
    expect(one.viewer.me.role).toBe('reader');
    two.viewer.activate(null);
    const { turn_id } = await two.viewer.invoke({ prompt: 'Now I may.' });
    await soon(() =>
      expect(one.of(session_id)).toContainEqual(
        expect.objectContaining({ event: expect.objectContaining({ type: 'turn.queued', turn_id }) }),
      ),
    );

    await two.viewer.me.leave();
    await two.done;
    expect(two.viewer.state).toEqual({ status: 'ended', reason: 'left' });
    await soon(() => expect(namesSeen()).toEqual(['One']));
    await one.stop();
  });

  it('Q08 Q09 Q13 Q35 Q37 a sharer tells once which session works on its task, however often it is told', async () => {
    const session_id = await newSession();
    const task = await newTask({ name: 'Conductor' });
    const { fetch, asked } = countingFetch();
    const client = new HoldfastClient({ url: stack.url, apiKey: stack.keys.api_key, fetch });
    const sharer = new Sharer({ client, session_id, task_id: task.task_id });
    const made = await sharer.share();
    await sharer.learnTask(task.task_id);
    expect(asked.filter((one) => one.startsWith('PATCH '))).toHaveLength(1);
    expect(await stack.client.tasks.fetchSessionTask({ task_id: task.task_id })).toMatchObject({ session_id });
    expect(made.share.is_ambient).toBe(false);
    const view = viewSession({ link: made.link });
    await view.isLive();
    expect(view.viewer).toMatchObject({ source_task_id: task.task_id, is_ambient: false });
    await soon(() =>
      expect(view.of(session_id).map(({ event }) => event)).toContainEqual(
        expect.objectContaining({
          type: 'participant.joined',
          data: expect.objectContaining({ source_type: 'user', source_task_id: task.task_id }),
        }),
      ),
    );
    await view.stop();
  });

  it('reads the tree as it is now, and leaves nobody behind', async () => {
    const { session_id, root } = await newTree();
    await newAgent(root, 'Scout');
    const { link: url } = await share(session_id, 'tree');
    for (const access of [{ link: url }, withKey(session_id)]) {
      const tree = await readTree(access);
      expect([...tree.walk()].map(({ task, depth }) => `${depth} ${task.name}`)).toEqual(['0 Conductor', '1 Scout']);
    }
    const SessionParticipantQuery = { session_id };
    const { data } = await stack.client.participants.querySessionParticipants({ SessionParticipantQuery });
    expect(data).toEqual([]);
  });

  it('comes back as the same participant where it was, in another process', async () => {
    const session_id = await newSession();
    const { link: url } = await share(session_id);
    const first = viewSession({ link: url });
    await first.isLive();
    await soon(() => expect(first.typesOf(session_id)).toContain('participant.joined'));
    await first.stop();
    await prompt(session_id);
    const { viewer } = first;
    const again = viewSession({
      url: stack.url,
      credential: viewer.credential(),
      participant_id: viewer.me.participant_id,
      offsets: viewer.places(),
    });
    await soon(() => expect(again.typesOf(session_id)).toContain('turn.queued'));
    expect(again.viewer.me.participant_id).toBe(viewer.me.participant_id);
    expect(again.typesOf(session_id)).not.toContain('session.created');
    expect(again.viewer.participants.filter(({ is_present }) => is_present)).toHaveLength(1);
    await again.stop();
  });
});
