import { HoldfastClient, Sharer, TaskLinks } from '../../src/index.js';
import { settled } from './manual-clock.js';

const SHARE = '0191d6a0-0000-7000-8000-00000000005a';
const TASK = '0191d6a0-0000-7000-8000-000000000001';

type Json = Record<string, unknown>;

/** An api that shares, and what it was asked. `refuse` makes it refuse the next request of a name. */
function playApi() {
  const requests: { name: string; body: Json; key: string | null }[] = [];
  const refused = new Map<string, Json>();
  let rotations = 0;
  const share = (more: Json = {}) => ({
    share_id: SHARE,
    session_id: 's',
    task_id: null,
    scope: 'session',
    role: 'reader',
    name: null,
    origin: 'explicit',
    source_type: 'user',
    source_task_id: null,
    is_ambient: false,
    parent_share_id: null,
    token_prefix: 'a',
    expires_at: null,
    ended_at: null,
    end_reason: null,
    created_at: '2026-01-01T00:00:00.000Z',
    created_by_id: null,
    updated_at: '2026-01-01T00:00:00.000Z',
    ...more,
  });
  const made = (more: Json = {}) => ({
    share: share(more),
    token: `hf_share_a_${rotations}`,
    link: `http://played.test/s/${SHARE}#hf_share_a_${rotations}`,
  });
  const fetch: typeof globalThis.fetch = async (input, init) => {
    const name = `${init?.method ?? 'GET'} ${new URL(String(input)).pathname}`;
    const body = typeof init?.body === 'string' ? (JSON.parse(init.body) as Json) : {};
    requests.push({ name, body, key: new Headers(init?.headers).get('idempotency-key') });
    const problem = refused.get(name);
    if (problem) {
      refused.delete(name);
      return new Response(JSON.stringify(problem), { status: Number(problem['status']) });
    }
    const { source } = body as { source?: { source_task_id?: string | null } };
    const answers: Record<string, () => Json> = {
      'POST /v1/sessions/shares': () => made({ source_task_id: source?.source_task_id ?? null }),
      'POST /v1/sessions/shares/revoke': () => share({ end_reason: body['reason'] }),
      'POST /v1/sessions/shares/rotate': () => made({ ...((rotations += 1), {}) }),
      'POST /v1/sessions/shares/query': () => ({ data: [share()], next_cursor: null }),
      [`PATCH /v1/sessions/tasks/${TASK}`]: () => ({ task_id: TASK }),
    };
    return new Response(JSON.stringify(answers[name]!()), { headers: { 'content-type': 'application/json' } });
  };
  return {
    client: new HoldfastClient({ url: 'http://played.test', apiKey: 'hf_user_a_b', fetch }),
    asked: (name: string) => requests.filter((request) => request.name === name).map(({ body }) => body),
    keys: (name: string) => requests.filter((request) => request.name === name).map(({ key }) => key),
    refuse: (name: string, status: number, code: string) =>
      refused.set(name, { type: '', title: code, status, detail: code, instance: '', code }),
  };
}

const CREATE = 'POST /v1/sessions/shares';
const LINK = `PATCH /v1/sessions/tasks/${TASK}`;
const event = (type: string, data: Json) => ({ type, at: '', turn_id: null, data: { share_id: SHARE, ...data } });

describe('a sharer', () => {
  it('asks again where no answer came, under one key, so that nothing stays shared that nobody knows of', async () => {
    const { client, keys, refuse } = playApi();
    refuse(CREATE, 503, 'draining');
    const sharer = new Sharer({ client, session_id: 's' });
    await sharer.share();
    expect(sharer.status).toBe('shared');
    expect(keys(CREATE)).toEqual([expect.any(String), keys(CREATE)[0]]);
    await new Sharer({ client, session_id: 's' }).share();
    expect(new Set(keys(CREATE)).size).toBe(2);
  });

  it('Q01 Q09 shares as a user, and always names the task that it knows', async () => {
    const { client, asked } = playApi();
    await new Sharer({ client, session_id: 's', task_id: TASK }).share();
    await new Sharer({ client, session_id: 's' }).share({ scope: 'tree', role: 'executor' });
    expect(asked(CREATE)).toEqual([
      { session_id: 's', source: { source_type: 'user', source_task_id: TASK } },
      { session_id: 's', scope: 'tree', role: 'executor', source: { source_type: 'user', source_task_id: null } },
    ]);
  });

  it('Q34 shares once, however often it is told to', async () => {
    const { client, asked } = playApi();
    const sharer = new Sharer({ client, session_id: 's', task_id: TASK });
    const { link } = await sharer.share();
    expect((await sharer.share()).link).toBe(link);
    expect([sharer.status, sharer.link]).toEqual(['shared', link]);
    expect(asked(CREATE)).toHaveLength(1);
    expect(asked(LINK)).toHaveLength(1);
  });

  it('Q35 tells once which session works on the task; Q36 nothing where no task is known; Q10 then when it is', async () => {
    const { client, asked } = playApi();
    const sharer = new Sharer({ client, session_id: 's' });
    await sharer.share();
    expect(asked(LINK)).toEqual([]);
    await sharer.learnTask(TASK);
    await sharer.learnTask(TASK);
    expect(asked(LINK)).toEqual([{ session_id: 's' }]);
    expect(sharer.source_task_id).toBe(TASK);
  });

  it('shares the session of a task that has ended, whose link stays as it is', async () => {
    const { client, refuse } = playApi();
    refuse(LINK, 409, 'task_ended');
    const sharer = new Sharer({ client, session_id: 's', task_id: TASK });
    await sharer.share();
    expect(sharer.status).toBe('shared');
  });

  it('Q10 Q11 sees that its share has learned of a task, once', async () => {
    const { client } = playApi();
    const sharer = new Sharer({ client, session_id: 's' });
    await sharer.share();
    sharer.see(event('session.source_changed', { share_id: 'another', source_task_id: 'no' }));
    sharer.see(event('session.source_changed', { source_type: 'user', source_task_id: TASK }));
    sharer.see(event('session.source_changed', { source_type: 'user', source_task_id: 'another' }));
    expect(sharer.source_task_id).toBe(TASK);
  });

  it('stops what it shared, and may share again', async () => {
    const { client, asked } = playApi();
    const sharer = new Sharer({ client, session_id: 's' });
    await sharer.stop();
    await sharer.share();
    await sharer.stop();
    expect([sharer.status, sharer.end_reason, sharer.link]).toEqual(['ended', 'stopped', undefined]);
    expect(asked('POST /v1/sessions/shares/revoke')).toEqual([{ share_id: SHARE, reason: 'stopped' }]);
    await sharer.share();
    expect([sharer.status, sharer.end_reason]).toEqual(['shared', null]);
  });

  it('is as it was where the api refuses', async () => {
    const { client, refuse } = playApi();
    const sharer = new Sharer({ client, session_id: 's' });
    refuse(CREATE, 404, 'session_not_found');
    await expect(sharer.share()).rejects.toMatchObject({ code: 'session_not_found' });
    expect(sharer.status).toBe('not_shared');
    await sharer.share();
    refuse('POST /v1/sessions/shares/revoke', 404, 'share_not_found');
    await expect(sharer.stop()).rejects.toMatchObject({ code: 'share_not_found' });
    expect(sharer.status).toBe('shared');
  });

  it('hears that its share has ended in another way', async () => {
    const { client } = playApi();
    const sharer = new Sharer({ client, session_id: 's' });
    await sharer.share();
    sharer.see(event('share.ended', { share_id: 'another', reason: 'revoked' }));
    expect(sharer.status).toBe('shared');
    sharer.see(event('share.ended', { reason: 'runner_lost' }));
    expect([sharer.status, sharer.end_reason]).toEqual(['ended', 'runner_lost']);
  });

  it('Q23 gives another link for the same share, and lists what is shared', async () => {
    const { client } = playApi();
    const sharer = new Sharer({ client, session_id: 's' });
    await expect(sharer.rotate()).rejects.toThrow('Nothing is shared');
    const { link } = await sharer.share();
    await sharer.rotate();
    expect(sharer.link).not.toBe(link);
    expect(sharer.share_made?.share_id).toBe(SHARE);
    const listed: string[] = [];
    for await (const { share_id } of sharer.list()) listed.push(share_id);
    expect(listed).toEqual([SHARE]);
  });
});

describe('which session works on a task', () => {
  it.each([
    ['looked at', { task_id: TASK, session_id: 's', as: 'viewer' }],
    ['run elsewhere', { task_id: TASK, session_id: 's', as: 'placeholder' }],
    ['of no task', { task_id: null, session_id: 's' }],
    ['not there yet', { task_id: TASK, session_id: null }],
  ] as const)('Q36 is not told of one that is %s', async (_, link) => {
    const { client, asked } = playApi();
    await new TaskLinks(client).link(link);
    expect(asked(LINK)).toEqual([]);
  });

  it('Q37 is told once for each that is new, one after the other', async () => {
    const { client, asked } = playApi();
    const links = new TaskLinks(client);
    const all = ['s', 's', 't', 't', 's'].map((session_id) => links.link({ task_id: TASK, session_id }));
    await Promise.all(all);
    expect(asked(LINK)).toEqual([{ session_id: 's' }, { session_id: 't' }, { session_id: 's' }]);
  });

  it('is told again after it was refused', async () => {
    const { client, asked, refuse } = playApi();
    const links = new TaskLinks(client);
    refuse(LINK, 409, 'task_ended');
    await expect(links.link({ task_id: TASK, session_id: 's' })).rejects.toMatchObject({ code: 'task_ended' });
    await settled();
    await links.link({ task_id: TASK, session_id: 's' });
    expect(asked(LINK)).toHaveLength(2);
  });
});
