import { randomUUID } from 'node:crypto';
import { SharesService } from '@holdfast/sessions-sharing';
import { UnitOfWork } from '@holdfast/platform-postgres';
import { eventually } from '@holdfast/testing';
import { startApis, type Answer, type Apis, type Caller, type Project, type Tree } from './api-fixture.js';

jest.setTimeout(120_000);

let apis: Apis;
let project: Project;
let user: Caller & { key_id: string };
let tree: Tree;

/** root ── child ── grandchild, and beside child: sibling. `stranger` is of no tree. */
const SHAPE = { root: null, child: 'root', grandchild: 'child', sibling: 'root', stranger: null };

beforeAll(async () => {
  apis = await startApis(2);
});
beforeEach(async () => {
  project = await apis.newProject();
  user = await project.user();
  tree = await project.tree(user, SHAPE);
});
afterAll(() => apis.stop());

const shareOf = (name: string, rest: Record<string, unknown> = {}) =>
  project.share(user, { session_id: tree.sessions[name], ...rest });

/** How a session answers each operation that reads it. */
async function readings(viewer: Caller, session_id: string): Promise<string[]> {
  const log = `/v1/stream/sessions/${session_id}/events`;
  const answers = await Promise.all([
    viewer.get(`/v1/sessions/${session_id}`),
    viewer.get(`/v1/sessions/streams/${session_id}`),
    viewer.get(`/v1/sessions/streams/${session_id}/liveness`),
    viewer.post('/v1/sessions/streams/turns/query', { session_id }),
    viewer.post('/v1/sessions/streams/inbox/query', { session_id }),
    viewer.post('/v1/sessions/transcripts/query', { session_id }),
    viewer.post('/v1/sessions/shares/openings/query', { session_id }),
    viewer.get(`${log}?offset=-1`),
    viewer.get(`${log}?offset=now&live=long-poll-of-no-kind`),
  ]);
  return answers.map(({ status, code }) => code ?? String(status));
}

const OPEN = [...Array<string>(8).fill('200'), 'live_mode_unknown'];
const CLOSED = Array<string>(9).fill('session_not_found');

/** Which sessions of the tree somebody reads. */
async function reach(viewer: Caller): Promise<string[]> {
  const reached: string[] = [];
  for (const name of Object.keys(SHAPE)) {
    const answers = await readings(viewer, tree.sessions[name]!);
    if (JSON.stringify(answers) === JSON.stringify(OPEN)) reached.push(name);
    else expect([name, answers]).toEqual([name, CLOSED]);
  }
  return reached;
}

describe('what a share opens', () => {
  it('Q19, Q20: of one session that session and nothing else, however it is asked for', async () => {
    expect(await reach(await shareOf('child'))).toEqual(['child']);
  });

  it('Q16, Q18: of a tree its host and all that descend from it, with no link of their own', async () => {
    expect(await reach(await shareOf('root', { scope: 'tree' }))).toEqual(['root', 'child', 'grandchild', 'sibling']);
    expect(await reach(await shareOf('child', { scope: 'tree' }))).toEqual(['child', 'grandchild']);
  });

  it('Q17: of a tree what is born later, too, and no row is written for it', async () => {
    const viewer = await shareOf('child', { scope: 'tree' });
    const session_id = `late-${randomUUID()}`;
    await user.put(`/v1/sessions/${session_id}`);
    expect((await viewer.get(`/v1/sessions/${session_id}`)).code).toBe('session_not_found');
    await user.post('/v1/sessions/tasks', { parent_task_id: tree.tasks['grandchild'], session_id });
    expect((await viewer.get(`/v1/sessions/${session_id}`)).status).toBe(200);
    expect((await user.post('/v1/sessions/shares/query')).body.data).toHaveLength(1);
  });

  it('of a task without a session that session, as soon as there is one', async () => {
    const task = await user.post('/v1/sessions/tasks', { name: 'early' });
    const viewer = await project.share(user, { task_id: task.body.task_id });
    const session_id = `s-${randomUUID()}`;
    await user.put(`/v1/sessions/${session_id}`);
    expect((await viewer.get(`/v1/sessions/${session_id}`)).code).toBe('session_not_found');
    await user.patch(`/v1/sessions/tasks/${task.body.task_id}`, { session_id });
    await eventually(async () => expect((await viewer.get(`/v1/sessions/${session_id}`)).status).toBe(200));
  });

  it('tells the same of a session that is out of reach and of one that does not exist', async () => {
    const viewer = await shareOf('child');
    const [real, made] = await Promise.all([
      viewer.get(`/v1/sessions/${tree.sessions['root']}`),
      viewer.get(`/v1/sessions/nowhere`),
    ]);
    expect([real.status, real.code, made.status, made.code]).toEqual([
      404,
      'session_not_found',
      404,
      'session_not_found',
    ]);
    expect(made.body.detail.replace('nowhere', tree.sessions['root']!)).toBe(real.body.detail);
  });

  it('made again under its Idempotency-Key is the same, with another link', async () => {
    const make = async () => {
      const answer = await fetch(`${user.url}/v1/sessions/shares`, {
        method: 'POST',
        headers: {
          authorization: `Bearer ${user.credential}`,
          'content-type': 'application/json',
          'idempotency-key': 'lost',
        },
        body: JSON.stringify({ session_id: tree.sessions['child'] }),
      });
      expect(answer.status).toBe(201);
      return (await answer.json()) as { share: { share_id: string }; token: string };
    };
    const [lost, made] = [await make(), await make()];
    expect(made.share.share_id).toBe(lost.share.share_id);
    expect((await user.post('/v1/sessions/shares/query')).body.data).toHaveLength(1);
    const read = (token: string) => user.as(token).get(`/v1/sessions/${tree.sessions['child']}`);
    expect([(await read(lost.token)).status, (await read(made.token)).status]).toEqual([401, 200]);
  });

  it('Q23: is told by its link, whose token no server is sent', async () => {
    const viewer = await shareOf('child');
    expect(viewer.link).toBe(`https://holdfast.example/s/${viewer.share_id}#${viewer.credential}`);
  });

  it('is by no path of another spelling more than that', async () => {
    const viewer = await shareOf('child');
    const stranger = tree.sessions['stranger']!;
    for (const path of [
      `sessions%2F${stranger}%2Fevents`,
      `%73essions/${stranger}/events`,
      `sessions/${stranger}/event%73`,
      `/sessions/${stranger}/events`,
      `sessions//${stranger}/events`,
      `sessions/${tree.sessions['child']}/../${stranger}/events`,
      `sessions/${tree.sessions['child']}%2F..%2F${stranger}/events`,
      `runners/${randomUUID()}/control`,
      `tasks/${tree.tasks['root']}/activity`,
      'mine',
    ]) {
      const { status } = await viewer.get(`/v1/stream/${path}?offset=-1`);
      expect([path, status >= 400 && status < 500]).toEqual([path, true]);
    }
    expect((await viewer.get(`/v1/strea%6d/sessions/${stranger}/events?offset=-1`)).code).toBe('session_not_found');
    expect((await viewer.get(`/v1/stream/sessions/${tree.sessions['child']}%2Fevents?offset=-1`)).status).toBe(200);
  });

  it('is of one session no more than the name that the request acts on', async () => {
    const viewer = await shareOf('child', { role: 'executor' });
    const { child, stranger } = tree.sessions;
    const twice = `{"session_id":"${child}","prompt":"hi","detached":true,"session_id":"${stranger}"}`;
    const response = await fetch(`${viewer.url}/v1/sessions/streams/invoke`, {
      method: 'POST',
      headers: { authorization: `Bearer ${viewer.credential}`, 'content-type': 'application/json' },
      body: twice,
    });
    expect(response.status).toBe(404);
    for (const session_id of [undefined, null, [child], { child }, '', `${child}\u0000`]) {
      const { status } = await viewer.post('/v1/sessions/streams/turns/query', { session_id });
      expect([404, 400]).toContain(status);
    }
  });

  it('is in lists and in watches what it is by name', async () => {
    const viewer = await shareOf('child', { scope: 'tree' });
    const session_ids = Object.values(tree.sessions);
    const inReach = [tree.sessions['child'], tree.sessions['grandchild']].sort();
    const ids = (answer: { body: { data: { session_id: string }[] } }) =>
      answer.body.data.map(({ session_id }) => session_id).sort();
    expect(ids(await viewer.post('/v1/sessions/streams/query', { session_ids }))).toEqual(inReach);
    expect(ids(await viewer.post('/v1/sessions/streams/query'))).toEqual(inReach);
    expect(ids(await viewer.post('/v1/sessions/query'))).toEqual(inReach);

    const view = await viewer.view('/v1/sessions/streams/watch', {
      sessions: session_ids.map((session_id) => ({ session_id, offset: '-1' })),
    });
    await eventually(() => expect(view.text.match(/^event: data/gm)).toHaveLength(2));
    const told = [...view.text.matchAll(/^event: (\w+)\ndata: \{"session_id":"([^"]+)"/gm)];
    expect(new Set(told.filter(([, type]) => type === 'problem').map(([, , id]) => id))).toEqual(
      new Set(session_ids.filter((id) => !inReach.includes(id))),
    );
    expect(view.text).not.toContain('stream_not_found');
    view.leave();
    await view.ended;
  });

  it('is not what the project keeps for itself', async () => {
    const viewer = await shareOf('child', { role: 'full' });
    const session_id = tree.sessions['child']!;
    const answers = await Promise.all([
      viewer.put(`/v1/sessions/${session_id}`),
      viewer.post(`/v1/sessions/${session_id}/archive`),
      viewer.ask('DELETE', `/v1/sessions/${session_id}`),
      viewer.get('/v1/agents/scripted'),
      viewer.post('/v1/agents/query'),
      viewer.get('/v1/project/settings'),
      viewer.post('/v1/triggers/deliveries/query'),
      viewer.post('/v1/admin/sessions/transcripts/native/query', { session_id }),
      viewer.get(`/v1/admin/sessions/transcripts/native/content?as=tar&session_id=${session_id}`),
      viewer.get('/v1/stream/__ds/subscriptions/mine'),
      viewer.post('/v1/admin/sessions/streams/claim', {}),
      viewer.post('/v1/sessions/tasks', { name: 'mine' }),
      viewer.ask('PUT', '/v1/stream/mine'),
    ]);
    expect(answers.map(({ code }) => code)).toEqual(answers.map(() => 'credential_kind'));
  });
});

describe('a key', () => {
  it('gives no role whose permissions it lacks itself: not in a new share, not in one that is there', async () => {
    const edits = await project.user(['EDIT_SESSIONS']);
    const session_id = tree.sessions['child']!;
    const there = await shareOf('child', { role: 'executor' });
    for (const role of ['executor', 'full']) {
      expect((await edits.post('/v1/sessions/shares', { session_id, role })).code).toBe('permission_denied');
    }
    const { share_id } = await project.share(edits, { session_id });
    expect((await edits.patch(`/v1/sessions/shares/${share_id}`, { role: 'full' })).code).toBe('permission_denied');
    expect((await edits.patch(`/v1/sessions/shares/${share_id}`, { name: 'mine' })).status).toBe(200);
    expect((await edits.post('/v1/sessions/shares/rotate', { share_id: there.share_id })).code).toBe(
      'permission_denied',
    );
    expect((await there.get(`/v1/sessions/${session_id}`)).status).toBe(200);
    expect((await edits.post('/v1/sessions/shares/rotate', { share_id })).status).toBe(200);
    expect((await edits.post('/v1/sessions/shares/revoke', { share_id: there.share_id })).status).toBe(200);
  });
});

describe('to put a session into a tree', () => {
  it('takes what it takes to share: whoever sees the tree sees the session from then on', async () => {
    const runs = await project.user(['RUN_SESSIONS']);
    const session_id = tree.sessions['stranger']!;
    const child = tree.tasks['child']!;
    const other = `other-${randomUUID()}`;
    await user.put(`/v1/sessions/${other}`);
    for (const [answer, expected] of [
      [await runs.post('/v1/sessions/tasks', { parent_task_id: child, session_id: other }), 'permission_denied'],
      [await runs.patch(`/v1/sessions/tasks/${child}`, { session_id: other }), 'permission_denied'],
      [await runs.patch(`/v1/sessions/tasks/${child}`, { session_id }), 'permission_denied'],
    ] as const) {
      expect(answer.code).toBe(expected);
    }
    expect((await runs.patch(`/v1/sessions/tasks/${child}`, { title: 'Seen' })).status).toBe(200);
    const both = await project.user(['RUN_SESSIONS', 'EDIT_SESSIONS']);
    expect((await both.post('/v1/sessions/tasks', { parent_task_id: child, session_id: other })).status).toBe(201);
  });
});

describe('to stop a task', () => {
  it('Q22: takes a share of all that descends from it', async () => {
    const alone = await shareOf('child', { role: 'full' });
    const whole = await shareOf('child', { role: 'full', scope: 'tree' });
    const task_id = tree.tasks['child'];
    for (const verb of ['cancel', 'kill']) {
      expect((await alone.post(`/v1/sessions/tasks/${verb}`, { task_id })).code).toBe('task_not_found');
    }
    expect((await whole.post('/v1/sessions/tasks/cancel', { task_id: tree.tasks['root'] })).code).toBe(
      'task_not_found',
    );
    const executor = await shareOf('child', { role: 'executor', scope: 'tree' });
    expect((await executor.post('/v1/sessions/tasks/kill', { task_id })).code).toBe('permission_denied');
  });
});

describe('the role of a share', () => {
  const acts = (session_id: string): [string, string, unknown][] => [
    ['read', '/v1/sessions/streams/turns/query', { session_id }],
    ['cancel', '/v1/sessions/streams/invoke', { session_id }],
    ['detach', '/v1/sessions/streams/detach', { session_id, watcher_id: randomUUID() }],
    ['reorder', '/v1/sessions/streams/inbox/reorder', { session_id, turn_ids: [] }],
    ['kill', '/v1/sessions/streams/kill', { session_id }],
    ['share', '/v1/sessions/shares', { session_id }],
  ];
  /** Those that were not refused for the role. */
  async function allowed(viewer: Caller, session_id: string): Promise<string[]> {
    const done: string[] = [];
    for (const [name, path, body] of acts(session_id)) {
      if ((await viewer.post(path, body)).code !== 'permission_denied') done.push(name);
    }
    return done;
  }

  it('Q21: is the ceiling in the host and in every descendant', async () => {
    const may = {
      reader: ['read'],
      executor: ['read', 'cancel', 'detach'],
      full: ['read', 'cancel', 'detach', 'reorder', 'kill', 'share'],
    };
    for (const [role, expected] of Object.entries(may)) {
      const viewer = await shareOf('root', { scope: 'tree', role });
      expect([role, await allowed(viewer, tree.sessions['grandchild']!)]).toEqual([role, expected]);
    }
  });

  it('is judged only where there is something to reach', async () => {
    const viewer = await shareOf('child');
    expect((await viewer.post('/v1/sessions/streams/kill', { session_id: tree.sessions['root'] })).code).toBe(
      'session_not_found',
    );
  });

  it('lets an executor drive what runs, and choose neither agent nor conversation', async () => {
    const viewer = await shareOf('child', { role: 'executor' });
    const session_id = tree.sessions['child']!;
    const send = (rest: object) =>
      viewer.post('/v1/sessions/streams/invoke', {
        session_id,
        prompt: 'hi',
        detached: true,
        start_within_ms: 0,
        ...rest,
      });
    expect((await send({ agent: { name: 'other' } })).code).toBe('share_agent_fixed');
    expect((await send({ agent: { name: 'scripted', revision: 1 } })).code).toBe('share_agent_fixed');
    expect((await send({ fresh_start: true })).code).toBe('share_agent_fixed');
    expect((await send({ agent: { name: 'scripted' } })).status).toBe(202);
  });

  it('lets an executor take back its own prompts, and nobody else’s', async () => {
    const [one, other, host] = [
      await shareOf('child', { role: 'executor' }),
      await shareOf('child', { role: 'executor' }),
      await shareOf('child', { role: 'full' }),
    ];
    const session_id = tree.sessions['child']!;
    const send = async (who: Caller) =>
      (
        await who.post('/v1/sessions/streams/invoke', {
          session_id,
          prompt: 'hi',
          detached: true,
          on_busy: 'queue',
          start_within_ms: 0,
        })
      ).body.turn_id as string;
    await send(user);
    const [mine, theirs] = [await send(one), await send(other)];
    const withdraw = (who: Caller, turn_id: string) =>
      who.post('/v1/sessions/streams/inbox/withdraw', { session_id, turn_id });
    expect((await withdraw(one, theirs)).code).toBe('permission_denied');
    expect((await withdraw(one, mine)).body).toMatchObject({ status: 'cancelled' });
    expect((await withdraw(host, theirs)).body).toMatchObject({ status: 'cancelled' });
  });

  it('authorises what waits in the inbox again when it is promoted', async () => {
    const viewer = await shareOf('child', { role: 'executor' });
    const session_id = tree.sessions['child']!;
    const prompt = { session_id, prompt: 'hi', detached: true, on_busy: 'queue', start_within_ms: 0 };
    const live = await user.post('/v1/sessions/streams/invoke', prompt);
    const waiting = await viewer.post('/v1/sessions/streams/invoke', prompt);
    expect(waiting.body).toMatchObject({ status: 'inbox' });
    await user.post('/v1/sessions/shares/revoke', { share_id: viewer.share_id });
    await user.post('/v1/sessions/streams/invoke', { session_id, turn_id: live.body.turn_id });
    const turn = await user.get(`/v1/sessions/streams/turns/${waiting.body.turn_id}`);
    expect(turn.body).toMatchObject({ status: 'failed', error: { code: 'permission_denied' } });
  });

  it('counts at once when it is changed', async () => {
    const viewer = await shareOf('child', { role: 'executor' });
    const detach = () =>
      viewer.post('/v1/sessions/streams/detach', { session_id: tree.sessions['child'], watcher_id: randomUUID() });
    expect((await detach()).status).toBe(200);
    await user.patch(`/v1/sessions/shares/${viewer.share_id}`, { role: 'reader' });
    expect((await detach()).code).toBe('permission_denied');
  });
});

describe('a turn and a question', () => {
  it('of a session out of reach are like none', async () => {
    const session_id = tree.sessions['stranger']!;
    const { body } = await user.post('/v1/sessions/streams/invoke', {
      session_id,
      prompt: 'hi',
      detached: true,
      start_within_ms: 0,
    });
    const viewer = await shareOf('child', { role: 'full' });
    const path = `/v1/sessions/streams/turns/${body.turn_id}`;
    expect([(await user.get(path)).status, (await viewer.get(path)).code]).toEqual([200, 'turn_not_found']);
    const own = tree.sessions['child'];
    expect(
      (await viewer.post('/v1/sessions/streams/inbox/withdraw', { session_id: own, turn_id: body.turn_id })).code,
    ).toBe('turn_not_found');
    expect((await viewer.post('/v1/sessions/streams/invoke', { session_id: own, turn_id: body.turn_id })).code).toBe(
      'turn_not_found',
    );
    expect((await viewer.get(`/v1/sessions/interactions/${randomUUID()}`)).code).toBe('interaction_not_found');
  });
});

describe('the activity of a task', () => {
  it('is for those who may see the whole subtree', async () => {
    const tree_ = await shareOf('child', { scope: 'tree' });
    const alone = await shareOf('child');
    const path = (name: string) => `/v1/stream/tasks/${tree.tasks[name]}/activity?offset=-1`;
    expect((await tree_.get(path('child'))).status).toBe(200);
    expect((await tree_.get(path('root'))).code).toBe('task_not_found');
    expect((await tree_.get(path('sibling'))).code).toBe('task_not_found');
    expect((await alone.get(path('child'))).code).toBe('task_not_found');
    expect((await user.get(path('root'))).status).toBe(200);
  });
});

describe('where a share comes from', () => {
  it('Q01, Q09: of a session with a task, says so beside the bare word', async () => {
    const { share_id } = await shareOf('child');
    const { body } = await user.get(`/v1/sessions/shares/${share_id}`);
    expect(body).toMatchObject({ source_type: 'user', source_task_id: tree.tasks['child'], is_ambient: false });
  });

  it('Q02, Q12: of a session that has no task, names none', async () => {
    await user.put('/v1/sessions/alone');
    const viewer = await project.share(user, { session_id: 'alone', source: { source_type: 'user' } });
    const { body } = await user.get(`/v1/sessions/shares/${viewer.share_id}`);
    expect(body).toMatchObject({ source_type: 'user', source_task_id: null, task_id: null });
  });

  it('Q04, Q06: is taken in every form that there was', async () => {
    const task_id = randomUUID();
    await user.put('/v1/sessions/alone');
    const sourceOf = async (source_type: unknown) => {
      const { status, body } = await user.post('/v1/sessions/shares', { session_id: 'alone', source: { source_type } });
      return status === 201 ? body.share.source_type : status;
    };
    expect(await sourceOf({ ambient_agent: { task_id } })).toEqual({ ambient_agent: { task_id } });
    expect(await sourceOf({ ambient_agent: {} })).toEqual({ ambient_agent: { task_id: null } });
    expect(await sourceOf('ambient_agent')).toEqual({ ambient_agent: { task_id: null } });
    expect(await sourceOf('user')).toBe('user');
    for (const bad of ['agent', { user: {} }, { ambient_agent: null }, { ambient_agent: { task_id: 'x' } }, 7]) {
      expect(await sourceOf(bad)).toBe(400);
    }
  });

  it('Q10, Q11: becomes known to whoever has joined when the session gets its task, once', async () => {
    const session_id = `s-${randomUUID()}`;
    await user.put(`/v1/sessions/${session_id}`);
    const viewer = await project.share(user, { session_id });
    const ambient = await project.share(user, { session_id, source: { source_type: 'ambient_agent' } });
    const { body: task } = await user.post('/v1/sessions/tasks', { session_id });
    const changes = (await viewer.events(session_id)).filter(({ type }) => type === 'session.source_changed');
    expect(changes.map(({ data }) => data)).toEqual([
      { share_id: viewer.share_id, source_type: 'user', source_task_id: task.task_id },
    ]);
    expect((await user.get(`/v1/sessions/shares/${ambient.share_id}`)).body.source_task_id).toBeNull();
    await user.patch(`/v1/sessions/tasks/${task.task_id}`, { title: 'again' });
    expect((await viewer.events(session_id)).filter(({ type }) => type === 'session.source_changed')).toHaveLength(1);
  });
});

describe('a share that is made through a share', () => {
  it('gives no more than that: role, reach and what it may be made of', async () => {
    const one = await shareOf('child', { role: 'full' });
    const { child, grandchild } = tree.sessions;
    expect((await one.post('/v1/sessions/shares', { session_id: child, scope: 'tree' })).code).toBe('share_exceeded');
    expect((await one.post('/v1/sessions/shares', { session_id: grandchild })).code).toBe('session_not_found');
    const executor = await shareOf('child', { role: 'executor' });
    expect((await executor.post('/v1/sessions/shares', { session_id: child })).code).toBe('permission_denied');
    const whole = await shareOf('child', { role: 'full', scope: 'tree' });
    expect((await whole.post('/v1/sessions/shares', { session_id: grandchild, scope: 'tree' })).status).toBe(201);
    expect((await whole.post('/v1/sessions/shares', { session_id: tree.sessions['root'] })).code).toBe(
      'session_not_found',
    );
  });

  it('ends with it, however that ends, and is weaker when that gets weaker', async () => {
    const session_id = tree.sessions['child']!;
    const ends: [string, (share_id: string) => Promise<unknown>][] = [
      ['revoked', (share_id) => user.post('/v1/sessions/shares/revoke', { share_id })],
      ['stopped', (share_id) => user.post('/v1/sessions/shares/revoke', { share_id, reason: 'stopped' })],
      ['revoked', (share_id) => user.post('/v1/sessions/shares/rotate', { share_id })],
    ];
    for (const [reason, end] of ends) {
      const parent = await shareOf('child', { role: 'full' });
      const made = await project.share(parent, { session_id, role: 'full' });
      const grandmade = await project.share(made, { session_id, role: 'full' });
      await user.patch(`/v1/sessions/shares/${parent.share_id}`, { role: 'reader' });
      expect((await grandmade.post('/v1/sessions/streams/kill', { session_id })).code).toBe('permission_denied');
      await end(parent.share_id);
      expect((await grandmade.get(`/v1/sessions/${session_id}`)).body).toMatchObject({ code: 'share_ended', reason });
    }
  });

  it('is all that its maker may change: not what they came by, nor what the project shared', async () => {
    const parent = await shareOf('child', { role: 'full', expires_in_seconds: 3600 });
    const other = await shareOf('child');
    const made = await project.share(parent, { session_id: tree.sessions['child'] });
    for (const { share_id } of [parent, other]) {
      expect((await parent.patch(`/v1/sessions/shares/${share_id}`, { expires_at: null })).code).toBe(
        'share_not_found',
      );
      expect((await parent.post('/v1/sessions/shares/rotate', { share_id })).code).toBe('share_not_found');
      expect((await parent.post('/v1/sessions/shares/revoke', { share_id })).code).toBe('share_not_found');
    }
    const { body } = await parent.post('/v1/sessions/shares/query');
    expect(body.data.map(({ share_id }: { share_id: string }) => share_id)).toEqual([made.share_id]);
    expect((await parent.post('/v1/sessions/shares/revoke', { share_id: made.share_id })).status).toBe(200);
  });

  it('reaches no further than that does by now, where a task got another session', async () => {
    const own = await shareOf('child', { scope: 'tree', role: 'full' });
    const made = await project.share(own, { session_id: tree.sessions['grandchild'] });
    expect(await reach(made)).toEqual(['grandchild']);
    const session_id = `other-${randomUUID()}`;
    await user.put(`/v1/sessions/${session_id}`);
    const relink = (to: string) => user.patch(`/v1/sessions/tasks/${tree.tasks['grandchild']}`, { session_id: to });
    expect((await relink(session_id)).status).toBe(200);
    expect(await reach(own)).toEqual(['child']);
    await eventually(async () => expect(await reach(made)).toEqual([]));
    expect((await relink(tree.sessions['grandchild']!)).status).toBe(200);
    await eventually(async () => expect(await reach(made)).toEqual(['grandchild']));
  });

  it('waits for whoever ends its host, and holds nothing that those need', async () => {
    const own = await shareOf('child', { role: 'full' });
    const unitOfWork = apis.apps[0]!.get(UnitOfWork);
    const session = [project.project_id, tree.sessions['child']];
    let made: Promise<Answer> | undefined;
    await unitOfWork.run(async (tx) => {
      // As a kill does: the fence, the shares, and the task as its turn ends.
      await tx.query(`SELECT FROM session_fences WHERE project_id = $1 AND session_id = $2 FOR UPDATE`, session);
      await tx.query(`SELECT FROM shares WHERE share_id = $1 FOR UPDATE`, [own.share_id]);
      made = own.post('/v1/sessions/shares', { task_id: tree.tasks['child'] });
      await eventually(async () => {
        const waiting = await unitOfWork.query(
          `SELECT FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'`,
        );
        expect(waiting).toHaveLength(1);
      });
      await tx.query(`SELECT FROM tasks WHERE task_id = $1 FOR UPDATE NOWAIT`, [tree.tasks['child']]);
    });
    expect((await made!).status).toBe(201);
  });

  it('is one of eight at most', async () => {
    let maker: Caller = await shareOf('child', { role: 'full' });
    for (let made = 1; made < 8; made += 1) {
      maker = await project.share(maker, { session_id: tree.sessions['child'], role: 'full' });
    }
    expect((await maker.post('/v1/sessions/shares', { session_id: tree.sessions['child'] })).code).toBe(
      'share_exceeded',
    );
  });
});

describe('by which share a session is open', () => {
  it('is told with where it comes from, as far as the caller sees that', async () => {
    const direct = await shareOf('grandchild');
    const whole = await shareOf('child', { scope: 'tree', role: 'full' });
    await shareOf('child');
    const openings = async (who: Caller) =>
      (await who.post('/v1/sessions/shares/openings/query', { session_id: tree.sessions['grandchild'] })).body.data;
    const ofChild = { share_id: whole.share_id, via: 'tree', role: 'full', scope: 'tree', origin: 'explicit' };
    expect(await openings(user)).toEqual([
      expect.objectContaining({
        ...ofChild,
        host_session_id: tree.sessions['child'],
        host_task_id: tree.tasks['child'],
      }),
      expect.objectContaining({
        share_id: direct.share_id,
        via: 'direct',
        host_session_id: tree.sessions['grandchild'],
      }),
    ]);
    expect((await openings(direct))[0]).toMatchObject({ ...ofChild, host_session_id: null, host_task_id: null });
  });
});

describe('the end of a share', () => {
  const ENDS: [string, (share_id: string, session_id: string) => Promise<unknown>][] = [
    ['revoked', (share_id) => user.post('/v1/sessions/shares/revoke', { share_id })],
    ['stopped', (share_id) => user.post('/v1/sessions/shares/revoke', { share_id, reason: 'stopped' })],
    ['killed', (_, session_id) => user.post('/v1/sessions/streams/kill', { session_id })],
    [
      'runner_lost',
      (_, session_id) =>
        apis.apps[0]!.get(UnitOfWork).run((tx) =>
          apis.apps[0]!.get(SharesService).endOfHost(
            tx,
            { project_id: project.project_id, session_id },
            'runner_lost',
            null,
          ),
        ),
    ],
    ['expired', (share_id) => expire(share_id)],
  ];

  /** As if its time were over, and nobody had noted it yet. */
  const expire = (share_id: string) =>
    apis.apps[0]!.get(UnitOfWork).query(
      `UPDATE shares SET expires_at = now() - interval '1 second' WHERE share_id = $1`,
      [share_id],
    );

  it.each(ENDS)('Q31, Q32: by %s closes what it opened, and no grant of its own', async (reason, end) => {
    const viewer = await shareOf('child', { scope: 'tree' });
    const above = await shareOf('root', { scope: 'tree' });
    const below = await shareOf('grandchild');
    await end(viewer.share_id, tree.sessions['child']!);
    await eventually(async () => {
      const { body } = await viewer.get(`/v1/sessions/${tree.sessions['grandchild']}`);
      expect(body).toMatchObject({ code: 'share_ended', reason });
    });
    expect(await reach(above)).toEqual(['root', 'child', 'grandchild', 'sibling']);
    expect(await reach(below)).toEqual(['grandchild']);
    const { body } = await user.get(`/v1/sessions/shares/${viewer.share_id}`);
    expect(body).toMatchObject({ end_reason: reason, ended_at: expect.any(String) });
  });

  it('is told in the log of the host once, with its reason, also when its time was over', async () => {
    const revoked = await shareOf('child');
    const expired = await shareOf('child');
    await user.post('/v1/sessions/shares/revoke', { share_id: revoked.share_id });
    await user.post('/v1/sessions/shares/revoke', { share_id: revoked.share_id });
    await expire(expired.share_id);
    await apis.apps[0]!.get(SharesService).endOverdue(100);
    await apis.apps[1]!.get(SharesService).endOverdue(100);
    const told = (await user.events(tree.sessions['child']!)).filter(({ type }) => type.startsWith('share.'));
    expect(told.map(({ type, data }) => [type, data['share_id'], data['reason']])).toEqual([
      ['share.created', revoked.share_id, undefined],
      ['share.created', expired.share_id, undefined],
      ['share.ended', revoked.share_id, 'revoked'],
      ['share.ended', expired.share_id, 'expired'],
    ]);
  });

  it('is told to the holder of the right token only', async () => {
    const viewer = await shareOf('child');
    await user.post('/v1/sessions/shares/revoke', { share_id: viewer.share_id });
    const where = `/v1/sessions/${tree.sessions['child']}`;
    expect((await viewer.get(where)).code).toBe('share_ended');
    const { credential } = viewer;
    const wrong = credential.slice(0, -1) + (credential.endsWith('0') ? '1' : '0');
    expect((await user.as(wrong).get(where)).code).toBe('unauthenticated');
    expect((await user.as(credential.replace('share', 'view')).get(where)).code).toBe('unauthenticated');
  });

  it('lasts, and an ended share takes no change', async () => {
    const { share_id } = await shareOf('child');
    await user.post('/v1/sessions/shares/revoke', { share_id });
    expect((await user.patch(`/v1/sessions/shares/${share_id}`, { role: 'full' })).code).toBe('share_over');
    expect((await user.post('/v1/sessions/shares/rotate', { share_id })).code).toBe('share_over');
  });

  it('closes what is open by it at once, in every process: event streams, watches and long-polls', async () => {
    const session_id = tree.sessions['child']!;
    const log = `/v1/stream/sessions/${session_id}/events?offset=now`;
    for (const url of apis.urls) {
      const viewer = (await shareOf('child')) as Caller & { share_id: string };
      const elsewhere = viewer.at(url);
      const stays = await user.at(url).view(`${log}&live=sse`);
      const stream = await elsewhere.view(`${log}&live=sse`);
      const watch = await elsewhere.view('/v1/sessions/streams/watch', { sessions: [{ session_id, offset: 'now' }] });
      const poll = elsewhere.get(`${log}&live=long-poll`);
      await user.post('/v1/sessions/shares/revoke', { share_id: viewer.share_id });
      await Promise.all([stream.ended, watch.ended]);
      // It may hear of the end of its share as an event of the log first.
      expect([200, 403]).toContain((await poll).status);
      expect((await elsewhere.get(log)).code).toBe('share_ended');
      await user.put(`/v1/sessions/${session_id}`);
      stays.leave();
      await stays.ended;
    }
  });

  it('of the token by rotation lets the new one in and nobody who came by the old', async () => {
    const viewer = await shareOf('child');
    const joined = await viewer.post('/v1/sessions/participants/join', {});
    const participant = user.as(joined.body.participant_token);
    const where = `/v1/sessions/${tree.sessions['child']}`;
    expect((await participant.get(where)).status).toBe(200);
    const { body } = await user.post('/v1/sessions/shares/rotate', { share_id: viewer.share_id });
    expect((await viewer.get(where)).code).toBe('unauthenticated');
    expect((await participant.get(where)).code).toBe('unauthenticated');
    const next = user.as(body.token);
    expect((await next.get(where)).status).toBe(200);
  });
});

describe('a private session', () => {
  it('Q15: is nobody’s but its owner’s, until it is shared, and then the viewers’ too', async () => {
    const owner = await project.user();
    const session_id = await project.privateSession(owner);
    expect(await readings(owner, session_id)).toEqual(OPEN);
    const ofOthers = await readings(user, session_id);
    expect(ofOthers).toEqual([...Array<string>(7).fill('session_not_found'), 'stream_not_found', 'stream_not_found']);
    // As one answers that there is none of; the last is malformed.
    expect((await readings(user, 'nowhere')).slice(0, -1)).toEqual(ofOthers.slice(0, -1));

    const viewer = await project.share(owner, { session_id });
    expect(await readings(viewer, session_id)).toEqual(OPEN);
    expect(await readings(user, session_id)).toEqual(ofOthers);
  });

  it('is in no list, watch or write of somebody else', async () => {
    const owner = await project.user();
    const session_id = await project.privateSession(owner);
    const listed = async (who: Caller, path: string, body = {}) =>
      JSON.stringify((await who.post(path, body)).body).includes(session_id);
    const prompt = { session_id, prompt: 'hi', detached: true, start_within_ms: 0 };
    const turn = await owner.post('/v1/sessions/streams/invoke', prompt);
    await project.share(owner, { session_id });
    for (const path of ['/v1/sessions/query', '/v1/sessions/streams/query', '/v1/sessions/shares/query']) {
      expect([path, await listed(owner, path), await listed(user, path)]).toEqual([path, true, false]);
    }
    for (const [path, body] of [
      ['/v1/sessions/streams/invoke', prompt],
      ['/v1/sessions/streams/invoke', { session_id }],
      ['/v1/sessions/streams/kill', { session_id }],
      ['/v1/sessions/streams/inbox/query', { session_id }],
      ['/v1/sessions/shares', { session_id }],
      ['/v1/sessions/tasks', { session_id }],
      ['/v1/admin/sessions/transcripts/native/convert', { session_id, harness: 'claude' }],
    ] as const) {
      expect([path, (await user.post(path, body)).code]).toEqual([path, 'session_not_found']);
    }
    const subscription = { type: 'pull-wake', wake_stream: 'wakes', streams: [`sessions/${session_id}/events`] };
    expect((await user.put('/v1/stream/__ds/subscriptions/mine', subscription)).code).toBe('session_not_found');
    expect((await user.put(`/v1/sessions/${session_id}`)).code).toBe('session_not_found');
    expect((await user.get(`/v1/sessions/streams/turns/${turn.body.turn_id}`)).code).toBe('turn_not_found');
  });

  it('below a session of the project is reached by no share, list or log but those of its owner', async () => {
    const owner = await project.user();
    const session_id = await project.privateSession(owner);
    const place = { parent_task_id: tree.tasks['child'], session_id };
    const { body: own } = await owner.post('/v1/sessions/tasks', { ...place, name: 'mine', prompt: 'a secret' });
    const below = tree.tasks['root']!;
    const logOf = (task_id: string) => `/v1/stream/tasks/${task_id}/activity?offset=-1`;
    const theirs = await shareOf('root', { scope: 'tree', role: 'full' });
    const through = await project.share(theirs, { session_id: tree.sessions['child'], scope: 'tree' });
    for (const other of [user, theirs, through]) {
      expect((await other.get(`/v1/sessions/${session_id}`)).code).toBe('session_not_found');
      expect((await other.get(`/v1/sessions/tasks/${own.task_id}`)).code).toBe('task_not_found');
      expect((await other.get(logOf(tree.tasks['child']!))).code).toBe('task_not_found');
      const list = (await other.post('/v1/sessions/tasks/query', { ancestor_task_id: tree.tasks['child'] })).body;
      expect(JSON.stringify(list)).not.toContain(own.task_id);
      expect(list).toMatchObject({ data: [{ name: 'grandchild' }], activity: null });
      const watch = { sessions: [], activities: [{ task_id: tree.tasks['child'], offset: '-1' }] };
      const view = await other.view('/v1/sessions/streams/watch', watch);
      await eventually(async () => expect(view.text).toContain('task_not_found'));
      view.leave();
      // Beside it nothing is kept from them.
      await shareOf('grandchild', { scope: 'tree' });
      expect((await other.get(logOf(tree.tasks['grandchild']!))).status).toBe(200);
    }
    for (const task_id of [tree.tasks['child']!, randomUUID()]) {
      const subscription = { type: 'pull-wake', wake_stream: 'wakes', streams: [`tasks/${task_id}/activity`] };
      const made = await user.put(`/v1/stream/__ds/subscriptions/${randomUUID()}`, subscription);
      expect(made.code).toBe('task_not_found');
    }
    const ours = await project.share(owner, { task_id: below, scope: 'tree' });
    for (const viewer of [owner, ours]) {
      expect(await readings(viewer, session_id)).toEqual(OPEN);
      expect((await viewer.get(`/v1/sessions/tasks/${own.task_id}`)).body.prompt).toBe('a secret');
      expect((await viewer.get(logOf(below))).status).toBe(200);
      const list = (await viewer.post('/v1/sessions/tasks/query', { ancestor_task_id: below })).body;
      expect(JSON.stringify(list.data)).toContain(own.task_id);
      expect(list.activity).toMatchObject({ task_id: below });
    }
    const further = await project.share(await project.share(owner, { task_id: below, scope: 'tree', role: 'full' }), {
      session_id,
    });
    const openings = (await owner.post('/v1/sessions/shares/openings/query', { session_id })).body.data;
    expect(openings.map(({ share_id }: { share_id: string }) => share_id)).toEqual(
      expect.arrayContaining([further.share_id, ours.share_id]),
    );
    expect(openings).toHaveLength(3);
  });

  it('becomes nobody else’s by a task that somebody else has shared', async () => {
    const owner = await project.user();
    const session_id = await project.privateSession(owner);
    const { task_id } = (await user.post('/v1/sessions/tasks', { name: 'early', prompt: 'theirs' })).body;
    const viewer = await project.share(user, { task_id });
    expect((await owner.patch(`/v1/sessions/tasks/${task_id}`, { session_id })).status).toBe(200);
    await eventually(async () =>
      expect((await viewer.get(`/v1/sessions/${session_id}`)).code).toBe('session_not_found'),
    );
    await eventually(async () =>
      expect((await viewer.get(`/v1/sessions/tasks/${task_id}`)).code).toBe('task_not_found'),
    );
    expect((await viewer.post('/v1/sessions/participants/join')).body.session).toBeNull();
    expect(await readings(await project.share(owner, { task_id }), session_id)).toEqual(OPEN);
  });
});

describe('a remote task', () => {
  it('Q14, Q33, Q34: shares itself once, when it is first claimed, and outlives the share of a local host', async () => {
    const runner = await project.runner();
    const replica_id = randomUUID();
    await runner.post('/v1/admin/sessions/streams/register', { replica_id, pools: ['default'], capacity: 4 });
    const session_id = tree.sessions['child']!;
    const host = await shareOf('root', { scope: 'tree' });
    const shares = async () => (await user.post('/v1/sessions/shares/query', { session_id })).body.data;
    expect(await shares()).toEqual([]);
    await user.post('/v1/sessions/streams/invoke', { session_id, prompt: 'hi', detached: true, start_within_ms: 0 });
    const claimed = await runner.post('/v1/admin/sessions/streams/claim', { replica_id, capacity: 1, wait_seconds: 5 });
    expect(claimed.body.turns).toHaveLength(1);
    const [automatic, ...others] = await shares();
    expect(others).toEqual([]);
    expect(automatic).toMatchObject({
      task_id: tree.tasks['child'],
      session_id,
      role: 'reader',
      scope: 'session',
      origin: 'automatic',
      token_prefix: null,
      source_type: { ambient_agent: { task_id: tree.tasks['child'] } },
      source_task_id: tree.tasks['child'],
      created_by_id: null,
    });
    await user.post('/v1/sessions/shares/revoke', { share_id: host.share_id, reason: 'stopped' });
    const { body } = await user.post('/v1/sessions/shares/rotate', { share_id: automatic.share_id });
    const viewer = user.as(body.token);
    expect(await reach(viewer)).toEqual(['child']);
  });
});
