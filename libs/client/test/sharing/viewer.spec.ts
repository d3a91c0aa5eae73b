import { SessionViewer, TaskTreeViewer, type ViewerOptions, type ViewNews } from '../../src/index.js';
import { ManualClock, settled } from './manual-clock.js';
import { HOST, idOf, PlayedApi, refusal, SHARE, taskOf, URL_OF_API } from './played-api.js';

const JOIN = 'POST /v1/sessions/participants/join';
const LIST = 'POST /v1/sessions/tasks/query';
const WATCH = 'POST /v1/sessions/streams/watch';
const ACTIVITY = { task_id: HOST, path: `/v1/stream/tasks/${HOST}/activity`, offset: '-1' };

type Viewer = SessionViewer | TaskTreeViewer;

/** Views what `api` plays; `news` and `states` show what came so far. */
function view<V extends Viewer>(api: PlayedApi, make: (options: ViewerOptions) => V) {
  const clock = new ManualClock();
  const states: string[] = [];
  const viewer: V = make({
    link: `${URL_OF_API}/s/${SHARE}#hf_share_a_b`,
    fetch: api.fetch,
    clock,
    onChange: () => {
      const { status } = viewer.state;
      if (states.at(-1) !== status) states.push(status);
    },
  });
  const leaving = new AbortController();
  const news: ViewNews[] = [];
  let error: unknown;
  const done = (async () => {
    for await (const one of viewer.follow({ signal: leaving.signal })) news.push(one);
  })().catch((thrown: unknown) => (error = thrown));
  return {
    viewer,
    clock,
    states,
    news,
    done,
    error: () => error,
    types: (session_id = 'host') =>
      news.flatMap((one) => (one.kind === 'event' && one.session_id === session_id ? [one.event.type] : [])),
    kinds: () => news.map(({ kind }) => kind),
    stop: async () => {
      leaving.abort();
      await done;
    },
  };
}
const session = (options: ViewerOptions) => new SessionViewer(options);
const tree = (options: ViewerOptions) => new TaskTreeViewer(options);

/** A session with a task at the top of a tree that is open, and these agents below it. */
function withTree(...tasks: ReturnType<typeof taskOf>[]) {
  const api = new PlayedApi();
  api.joined = { source_task_id: HOST, task: taskOf(HOST, null, { session_id: 'host' }), activity: ACTIVITY };
  api.activity = ACTIVITY;
  api.logs.set(`task ${HOST}`, []);
  api.tasks = tasks;
  for (const { session_id } of tasks) if (session_id) api.logs.set(session_id as string, []);
  return api;
}

describe('a viewer of a session', () => {
  it('Q12 Q42 of no task: one join and one connection, and no list is ever asked for', async () => {
    const api = new PlayedApi();
    api.append('host', 'turn.queued');
    const { types, states, viewer, stop } = view(api, session);
    await settled();
    api.append('host', 'turn.completed');
    await settled();
    expect(types()).toEqual(['turn.queued', 'turn.completed']);
    expect(states).toEqual(['joining', 'catching_up', 'live']);
    expect(viewer.source_task_id).toBeNull();
    expect(api.asked()).toEqual([JOIN, WATCH]);
    await stop();
  });

  it('Q41 of a task without agents below: one list and one connection, however its log moves', async () => {
    const api = withTree();
    const { stop, clock } = view(api, session);
    await settled();
    for (let n = 0; n < 10; n++) api.append('host', 'turn.completed');
    await settled();
    await clock.advance(3_600_000);
    expect(api.asked().sort()).toEqual([JOIN, WATCH, LIST].sort());
    expect(api.requests.find(({ name }) => name === WATCH)!.body).toEqual({
      sessions: [{ session_id: 'host', offset: '-1' }],
      activities: [{ task_id: HOST, offset: '-1' }],
    });
    await stop();
  });

  it('Q41 begins to look for agents for an ambient agent alike', async () => {
    const api = withTree();
    api.joined = { ...api.joined, source_task_id: null, source_type: { ambient_agent: { task_id: HOST } } };
    const { viewer, stop } = view(api, session);
    await settled();
    expect(api.count(LIST)).toBe(1);
    expect(viewer).toMatchObject({ is_ambient: true, source_task_id: HOST });
    await stop();
  });

  it('Q08 is not ambient for a task alone', async () => {
    const { viewer, stop } = view(withTree(), session);
    await settled();
    expect(viewer).toMatchObject({ is_ambient: false, source_task_id: HOST });
    await stop();
  });

  it('Q02 an answer that says nothing of a task is one without', async () => {
    const api = new PlayedApi();
    api.joined = { source_task_id: undefined };
    const { viewer, stop } = view(api, session);
    await settled();
    expect(viewer.source_task_id).toBeNull();
    expect(viewer.state.status).toBe('live');
    await stop();
  });

  it('Q10 Q11 learns the task later, once, and looks for agents then, on the connection that it has', async () => {
    const api = new PlayedApi();
    api.activity = ACTIVITY;
    api.logs.set(`task ${HOST}`, []);
    const { viewer, clock, stop } = view(api, session);
    await settled();
    expect(api.count(LIST)).toBe(0);
    api.append('host', 'session.source_changed', { share_id: SHARE, source_type: 'user', source_task_id: HOST });
    api.append('host', 'session.source_changed', { share_id: SHARE, source_type: 'user', source_task_id: idOf(9) });
    await settled();
    await clock.advance(100);
    expect(viewer.source_task_id).toBe(HOST);
    expect(viewer.is_ambient).toBe(false);
    expect(api.count(LIST)).toBe(1);
    expect(api.requests.at(-1)!.body).toMatchObject({ activities: [{ task_id: HOST, offset: '-1' }] });
    await stop();
  });

  it('Q60 Q19 through a share of one session: no list, and nothing of a tree', async () => {
    const api = withTree(taskOf(idOf(2), HOST, { session_id: 'child' }));
    api.joined = {
      ...api.joined,
      activity: null,
      share: { share_id: SHARE, scope: 'session', role: 'reader', expires_at: null },
      names: [{ task_id: idOf(7), name: 'Twin' }],
    };
    const { viewer, news, stop } = view(api, session);
    await settled();
    api.append('host', 'turn.completed');
    await settled();
    expect(api.asked()).toEqual([JOIN, WATCH]);
    expect([...viewer.tree.walk()]).toEqual([]);
    expect(news.every(({ kind }) => kind === 'event')).toBe(true);
    expect(viewer.nameOf(idOf(7))).toBe('Twin');
    expect(viewer.nameOf(HOST)).toBe('Unknown agent');
    await stop();
  });

  it('Q53 goes on where it was when the connection breaks, and says so', async () => {
    const api = new PlayedApi();
    api.append('host', 'one');
    const { types, states, clock, stop } = view(api, session);
    await settled();
    await clock.advance(2_000);
    api.cut();
    await settled();
    api.append('host', 'two');
    await clock.advance(2_000);
    expect(types()).toEqual(['one', 'two']);
    expect(states).toEqual(['joining', 'catching_up', 'live', 'reconnecting', 'live']);
    expect(api.count(JOIN)).toBe(1);
    await stop();
  });

  it('goes on by its own credential once it has joined', async () => {
    const api = new PlayedApi();
    const { viewer, stop } = view(api, session);
    await settled();
    expect(api.requests.map(({ credential }) => credential)).toEqual(['hf_share_a_b', 'hf_view_a_b']);
    expect(viewer.credential()).toBe('hf_view_a_b');
    await stop();
  });

  it('tries to join again while nobody answers, and gives up after 18 times', async () => {
    const api = new PlayedApi();
    api.refusals.set(JOIN, refusal(503, 'draining'));
    const { clock, done, error, viewer } = view(api, session);
    await settled();
    for (let n = 0; n < 18; n++) await clock.advance(30_000);
    await done;
    expect(api.count(JOIN)).toBe(19);
    expect(error()).toMatchObject({ code: 'draining' });
    expect(viewer.state).toMatchObject({ status: 'failed', error: { code: 'draining' } });
  });

  it('does not try again what is refused for good', async () => {
    const api = new PlayedApi();
    api.refusals.set(JOIN, refusal(401, 'unauthenticated'));
    const { done, error } = view(api, session);
    await done;
    expect(error()).toMatchObject({ code: 'unauthenticated' });
    expect(api.count(JOIN)).toBe(1);
  });

  it.each(['stopped', 'revoked', 'expired', 'killed', 'archived', 'deleted', 'runner_lost'])(
    'ends when its share does: %s',
    async (reason) => {
      const told = new PlayedApi();
      const one = view(told, session);
      await settled();
      told.append('host', 'share.ended', { share_id: idOf(99), reason: 'another one' });
      told.append('host', 'share.ended', { share_id: SHARE, reason });
      await one.done;
      expect(one.viewer.state).toEqual({ status: 'ended', reason });

      const refused = new PlayedApi();
      const other = view(refused, session);
      await settled();
      refused.refusals.set(WATCH, refusal(403, 'share_ended', { reason }));
      refused.cut();
      await settled();
      await other.clock.advance(1_000);
      await other.done;
      expect(other.viewer.state).toEqual({ status: 'ended', reason });
      expect(other.error()).toBeUndefined();
    },
  );

  it('ends when it leaves', async () => {
    const api = new PlayedApi();
    const { viewer, done } = view(api, session);
    await settled();
    await viewer.me.leave();
    await done;
    expect(viewer.state).toEqual({ status: 'ended', reason: 'left' });
    expect(api.asked()).toEqual([JOIN, WATCH, 'POST /v1/sessions/participants/leave']);
  });

  it('comes back as the same participant, where it was', async () => {
    const api = new PlayedApi();
    api.append('host', 'one');
    const first = view(api, session);
    await settled();
    const { participant_id } = first.viewer.me;
    const offsets = first.viewer.places();
    await first.stop();
    api.append('host', 'two');
    const access = { url: URL_OF_API, credential: first.viewer.credential() };
    const again = view(api, ({ fetch, clock, onChange }) =>
      session({ ...access, participant_id, offsets, fetch, clock, onChange }),
    );
    await settled();
    expect(again.types()).toEqual(['two']);
    expect(api.requests.filter(({ name }) => name === JOIN)[1]).toMatchObject({
      credential: 'hf_view_a_b',
      body: { participant_id },
    });
    await again.stop();
  });

  it('Q59 Q62 goes on with another session as the same participant, acts on that, and looks for no agents of its own', async () => {
    const api = withTree(taskOf(idOf(2), HOST, { session_id: 'child' }));
    const { viewer, clock, types, stop } = view(api, session);
    await settled();
    const { task: _task, activity: _activity, ...rest } = api.joined;
    api.joined = { ...rest, source_task_id: idOf(2), task: taskOf(idOf(2), HOST, { session_id: 'child' }) };
    api.append('child', 'turn.completed');
    await viewer.moveTo('child');
    await clock.advance(100);
    api.append('host', 'turn.queued');
    await settled();
    expect(viewer.session_id).toBe('child');
    expect(types('child')).toEqual(['turn.completed']);
    expect(types('host')).toEqual([]);
    expect(viewer.tree.host).toBe(HOST);
    expect(api.requests.filter(({ name }) => name === JOIN)[1]!.body).toMatchObject({
      session_id: 'child',
      participant_id: viewer.me.participant_id,
    });
    expect(api.count(LIST)).toBe(1);
    await stop();
  });

  it('holds no more than it must for a reader that is slow', async () => {
    const api = new PlayedApi();
    const viewer = session({ url: URL_OF_API, credential: 'hf_share_a_b', fetch: api.fetch, clock: new ManualClock() });
    const following = viewer.follow();
    for (let n = 0; n < 2_000; n++) api.append('host', `event ${n}`);
    const first = await following.next();
    await settled();
    expect(first.value).toMatchObject({ event: { type: 'event 0' } });
    expect(viewer.places()).toEqual({ host: expect.stringMatching(/_0{15}1$/) });
    let seen = 1;
    while (seen < 2_000) {
      const { value } = await following.next();
      expect((value as { event: { type: string } }).event.type).toBe(`event ${seen}`);
      seen += 1;
    }
    await following.return();
  });
});

describe('a viewer of a tree', () => {
  const A = idOf(2);
  const B = idOf(3);

  it('holds one connection for all of it, however many agents are there already', async () => {
    const api = withTree(
      taskOf(A, HOST, { session_id: 'a', name: 'Scout' }),
      taskOf(B, A, { session_id: 'b', name: 'Builder' }),
    );
    api.append('b', 'turn.queued');
    const { types, viewer, stop } = view(api, tree);
    await settled();
    expect(api.asked()).toEqual([JOIN, LIST, WATCH]);
    expect(types('b')).toEqual(['turn.queued']);
    expect([...viewer.tree.walk()].map(({ task, depth }) => `${depth} ${task.task_id}`)).toEqual([
      `0 ${HOST}`,
      `1 ${A}`,
      `2 ${B}`,
    ]);
    await stop();
  });

  it('Q17 Q51 Q58 shows agents as they are started, pending until they have a session', async () => {
    const api = withTree();
    const { news, types, clock, stop } = view(api, tree);
    await settled();
    const child = taskOf(A, HOST, { name: 'Scout' });
    api.tell('task.created', child);
    await settled();
    const linked = { ...child, session_id: 'a', updated_at: '2026-01-01T00:00:02.000Z' };
    api.append('a', 'turn.queued');
    api.tell('task.session_linked', linked);
    api.tell('task.updated', linked);
    await settled();
    await clock.advance(100);
    const ofChild = news.filter((one) => 'task' in one && one.task.task_id === A).map(({ kind }) => kind);
    expect(ofChild).toEqual(['task_appeared', 'task_changed', 'materialise']);
    expect(types('a')).toEqual(['turn.queued']);
    expect(api.count(LIST)).toBe(1);
    expect(api.count(WATCH)).toBe(2);
    await stop();
  });

  it('Q54 Q55 shows those that had ended before, and those that never had a session', async () => {
    const api = withTree(
      taskOf(A, HOST, { session_id: 'a', state: 'succeeded' }),
      taskOf(B, HOST, { state: 'failed', error: { kind: 'user', code: 'agent_not_found', message: 'No such agent.' } }),
    );
    api.append('a', 'turn.completed');
    const { viewer, types, stop } = view(api, tree);
    await settled();
    expect(types('a')).toEqual(['turn.completed']);
    expect(viewer.tree.task(B)).toMatchObject({
      state: 'failed',
      session_id: null,
      error: { code: 'agent_not_found' },
    });
    await stop();
  });

  it('Q56 Q61 an agent that cannot be shown leaves the others alone', async () => {
    const api = withTree(taskOf(A, HOST, { session_id: 'a' }), taskOf(B, HOST, { session_id: 'b' }));
    api.logs.delete('a');
    const { news, types, viewer, stop } = view(api, tree);
    await settled();
    api.append('b', 'turn.queued');
    api.append('host', 'turn.queued');
    await settled();
    expect(news.filter(({ kind }) => kind === 'agent_failed')).toEqual([
      expect.objectContaining({
        session_id: 'a',
        task_id: A,
        error: expect.objectContaining({ code: 'session_not_found' }),
      }),
    ]);
    expect([types('b'), types('host'), viewer.state.status]).toEqual([['turn.queued'], ['turn.queued'], 'live']);
    await stop();
  });

  it('says which agents one connection does not hold', async () => {
    const ids = Array.from({ length: 500 }, (_, n) => idOf(n + 100));
    const api = withTree(...ids.map((id, n) => taskOf(id, HOST, { session_id: `a${n}`, spawn_order: n + 1 })));
    const { news, viewer, clock, stop } = view(api, tree);
    await settled();
    const left = news.flatMap((one) => (one.kind === 'not_followed' ? [one.session_id] : []));
    // 500, less the session itself and the activity.
    expect(left).toEqual(['a498', 'a499']);
    const places = api.requests.find(({ name }) => name === WATCH)!.body;
    expect((places['sessions'] as unknown[]).length + (places['activities'] as unknown[]).length).toBe(500);
    viewer.unchoose(ids[0]!);
    viewer.choose(ids[499]!);
    await clock.advance(100);
    expect(JSON.stringify(api.requests.at(-1)!.body)).toContain('"a499"');
    await stop();
  });

  it('Q57 choosing an agent is seen by nobody: it is asked for on the connection, and nothing is told', async () => {
    const api = withTree(taskOf(A, HOST, { session_id: 'a' }), taskOf(B, HOST, { session_id: 'b' }));
    api.append('a', 'one');
    const { viewer, clock, types, stop } = view(api, (options) => new TaskTreeViewer({ ...options, agents: [] }));
    await settled();
    expect(types('a')).toEqual([]);
    viewer.choose(A);
    viewer.activate(A);
    await clock.advance(100);
    expect(types('a')).toEqual(['one']);
    expect(viewer.active_session_id).toBe('a');
    viewer.unchoose(A);
    await clock.advance(100);
    api.append('a', 'two');
    await settled();
    expect(types('a')).toEqual(['one']);
    viewer.choose(A);
    await clock.advance(100);
    expect(types('a')).toEqual(['one', 'two']);
    expect(api.asked()).toEqual([JOIN, LIST, WATCH, WATCH, WATCH, WATCH]);
    await stop();
  });

  it('Q59 an agent that is opened inside a view does not look for its own agents, whatever happens in it', async () => {
    const api = withTree(taskOf(A, HOST, { session_id: 'a' }), taskOf(B, A, { session_id: 'b' }));
    const { viewer, clock, types, stop } = view(api, (options) => new TaskTreeViewer({ ...options, agents: [] }));
    await settled();
    viewer.choose(A);
    viewer.activate(A);
    await clock.advance(100);
    api.append('a', 'turn.queued');
    api.append('a', 'agent.update', { sessionUpdate: 'tool_call_update', status: 'completed' });
    api.append('a', 'turn.completed');
    await settled();
    await clock.advance(60_000);
    expect(types('a')).toEqual(['turn.queued', 'agent.update', 'turn.completed']);
    const lists = api.requests.filter(({ name }) => name === LIST);
    expect(lists.map(({ body }) => body['ancestor_task_id'])).toEqual([HOST]);
    await stop();
  });

  it('Q22 acts on the active agent only', async () => {
    const api = withTree(taskOf(A, HOST, { session_id: 'a' }), taskOf(B, HOST, { session_id: 'b' }));
    const { viewer, stop } = view(api, tree);
    await settled();
    api.refusals.set('POST /v1/sessions/streams/invoke', refusal(403, 'permission_denied'));
    const acts: Promise<unknown>[] = [viewer.invoke({ prompt: 'to the top' })];
    viewer.activate(B);
    acts.push(viewer.invoke({ prompt: 'to one' }), viewer.invoke({}));
    await Promise.allSettled(acts);
    const invoked = api.requests.filter(({ name }) => name === 'POST /v1/sessions/streams/invoke');
    expect(invoked.map(({ body }) => body['session_id'])).toEqual(['host', 'b', 'b']);
    await stop();
  });

  it('Q50 Q52 what a later list leaves out stays, and Q49 the task at the top is none of its own agents', async () => {
    const api = withTree(taskOf(A, HOST, { session_id: 'a' }), taskOf(HOST, null, { session_id: 'host' }));
    const { viewer, kinds, stop } = view(api, tree);
    await settled();
    api.tasks = [];
    await viewer.refresh();
    await settled();
    expect(viewer.tree.descendants().map(({ task_id }) => task_id)).toEqual([A]);
    expect(kinds().filter((kind) => kind === 'task_appeared')).toHaveLength(2);
    await stop();
  });

  it('Q63 Q64 Q66 knows the names of those who send messages', async () => {
    const api = withTree(taskOf(A, HOST, { session_id: 'a', name: 'Scout' }));
    api.names = { [idOf(8)]: 'Elder' };
    const { viewer, stop } = view(api, tree);
    await settled();
    const message = { message_id: idOf(20), from_task_id: idOf(8), to_task_ids: [A, HOST, idOf(9)], body: 'Hello' };
    api.append(`task ${HOST}`, 'task.message', message, { task_id: A });
    await settled();
    expect([idOf(8), A, HOST, idOf(9)].map((id) => viewer.nameOf(id))).toEqual([
      'Elder',
      'Scout',
      'Orchestrator',
      'Unknown agent',
    ]);
    expect(viewer.tree.task(idOf(8))).toBeUndefined();
    await stop();
  });

  it('Q43 Q44 asks for lists where no activity can be read: not while there are no agents, until something happens', async () => {
    const api = withTree();
    api.activity = null;
    api.joined = { ...api.joined, activity: null };
    const { viewer, clock, stop } = view(api, tree);
    await settled();
    await clock.advance(3_600_000);
    expect(api.count(LIST)).toBe(1);
    api.append('host', 'agent.update', { sessionUpdate: 'agent_message_chunk' });
    await settled();
    expect(api.count(LIST)).toBe(1);
    api.tasks = [taskOf(A, HOST, { session_id: 'a' })];
    api.logs.set('a', []);
    api.append('host', 'agent.update', { sessionUpdate: 'tool_call_update', status: 'completed' });
    await settled();
    expect(api.count(LIST)).toBe(2);
    expect(viewer.tree.task(A)).toBeDefined();
    await stop();
  });

  it('Q45 Q46 Q48 Q53 asks each 5 s while one works, each 30 s when all rest, at once when one moves, and keeps what it knows', async () => {
    const working = taskOf(A, HOST, { session_id: 'a' });
    const api = withTree(working);
    api.activity = null;
    api.joined = { ...api.joined, activity: null };
    const { viewer, clock, stop } = view(api, tree);
    await settled();
    await clock.advance(5_000);
    expect(api.count(LIST)).toBe(2);
    api.refusals.set(LIST, refusal(503, 'draining'));
    await clock.advance(5_000);
    expect(viewer.tree.task(A)).toMatchObject({ state: 'in_progress' });
    api.refusals.delete(LIST);
    api.tasks = [{ ...working, state: 'succeeded', updated_at: '2026-01-01T00:00:09.000Z' }];
    await clock.advance(5_000);
    expect(api.count(LIST)).toBe(4);
    expect(viewer.tree.task(A)).toMatchObject({ state: 'succeeded' });
    await clock.advance(29_999);
    expect(api.count(LIST)).toBe(4);
    await clock.advance(1);
    expect(api.count(LIST)).toBe(5);
    api.append('a', 'turn.queued');
    await settled();
    expect(api.count(LIST)).toBe(6);
    await stop();
  });

  it('Q53 asks for lists while no stream can be held, and no more when it is held again', async () => {
    const api = withTree(taskOf(A, HOST, { session_id: 'a' }));
    const { viewer, clock, types, stop } = view(api, tree);
    await settled();
    api.refusals.set(WATCH, refusal(502, 'bad_gateway'));
    api.cut();
    await settled();
    for (const ms of [1_000, 1_200, 1_440]) await clock.advance(ms);
    expect(api.count(LIST)).toBe(2);
    expect(viewer.state.status).toBe('reconnecting');
    api.append('a', 'turn.queued');
    await clock.advance(5_000);
    expect(api.count(LIST)).toBe(3);
    expect(types('a')).toEqual(['turn.queued']);
    api.refusals.delete(WATCH);
    await clock.advance(30_000);
    const lists = api.count(LIST);
    api.tell('task.created', taskOf(B, HOST));
    await settled();
    await clock.advance(3_600_000);
    expect(api.count(LIST)).toBe(lists);
    expect(viewer.tree.task(B)).toBeDefined();
    expect(viewer.state.status).toBe('live');
    await stop();
  });

  it('an activity log that is gone makes it ask for lists, and it is not tried for ever', async () => {
    const api = withTree(taskOf(A, HOST, { session_id: 'a' }));
    api.logs.delete(`task ${HOST}`);
    const { clock, stop, viewer } = view(api, tree);
    await settled();
    await clock.advance(100);
    expect(api.count(LIST)).toBe(2);
    await clock.advance(5_000);
    expect(api.count(LIST)).toBe(3);
    expect(api.count(WATCH)).toBeLessThanOrEqual(2);
    expect(viewer.state.status).toBe('live');
    await stop();
  });

  it('waits for the first session of a task that has none yet', async () => {
    const api = withTree();
    api.joined = { ...api.joined, session: null, tail_offset: null, task: taskOf(HOST, null) };
    const { viewer, clock, types, stop } = view(api, tree);
    await settled();
    expect(viewer.state.status).toBe('live');
    const linked = taskOf(HOST, null, { session_id: 'host', updated_at: '2026-01-01T00:00:02.000Z' });
    api.joined = { source_task_id: HOST, task: linked, activity: ACTIVITY };
    api.append('host', 'turn.queued');
    api.tell('task.session_linked', linked);
    await settled();
    await clock.advance(100);
    expect(types()).toEqual(['turn.queued']);
    await stop();
  });
});
