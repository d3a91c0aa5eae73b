import { randomUUID } from 'node:crypto';
import { eventually } from '@holdfast/testing';
import { startStack, type Stack } from './stack.js';

interface Grant {
  session_id: string;
  turn_id: string;
  epoch: number;
  credential: string;
}

describe('a session over HTTP, with two processes of the api', () => {
  let stack: Stack;
  let stranger: { api_key: string };
  beforeAll(async () => {
    stack = await startStack({
      runner: false,
      apis: 2,
      env: { LEASE_SECONDS: '60', BEAT_SECONDS: '5', WATCHDOG_SECONDS: '30' },
    });
    stranger = await stack.anotherProject();
  }, 60_000);
  afterAll(() => stack?.stop(), 30_000);

  const [here, there] = [0, 1];
  const ask = (
    method: string,
    path: string,
    { body, key = stack.keys.api_key, at = here, headers = {} }: Partial<Asked> = {},
  ) =>
    fetch(`${stack.apis[at]!.url}${path}`, {
      method,
      headers: { authorization: `Bearer ${key}`, ...(body && { 'content-type': 'application/json' }), ...headers },
      ...(body && { body: JSON.stringify(body) }),
      signal: AbortSignal.timeout(60_000),
    });
  interface Asked {
    body: object;
    key: string;
    at: number;
    headers: Record<string, string>;
  }
  /** The status, with the code of a problem. */
  async function outcome(response: Promise<Response>): Promise<string> {
    const { status, ok, text } = await response.then(async (one) => ({ ...pick(one), text: await one.text() }));
    return ok ? String(status) : `${status} ${(JSON.parse(text) as { code: string }).code}`;
  }
  const pick = ({ status, ok }: Response) => ({ status, ok });
  const json = async <Answer>(response: Promise<Response>): Promise<Answer> =>
    (await (await response).json()) as Answer;

  const logOf = (session_id: string) => `/v1/stream/sessions/${session_id}/events`;
  const invoke = (session_id: string, more: object = {}, headers = {}) =>
    ask('POST', '/v1/sessions/streams/invoke', {
      body: { session_id, prompt: 'hello', detached: true, start_within_ms: 0, agent: { name: pool }, ...more },
      headers,
    });
  const remove = (session_id: string, asked: Partial<Asked> = {}) => ask('DELETE', `/v1/sessions/${session_id}`, asked);

  const pool = `p-${randomUUID()}`;
  const replica_id = randomUUID();
  const streams = '/v1/admin/sessions/streams';
  beforeAll(async () => {
    const agent = { harness: 'scripted', pool };
    expect((await ask('PUT', `/v1/agents/${pool}`, { body: agent })).status).toBeLessThan(300);
    const key = stack.keys.runner_key;
    expect(await outcome(ask('POST', `${streams}/register`, { key, body: { replica_id, pools: [pool] } }))).toBe('200');
  });
  /** A live turn of the session, as its runner was given it. */
  async function running(session_id: string): Promise<Grant> {
    expect(await outcome(invoke(session_id))).toBe('202');
    const body = { replica_id, capacity: 1, wait_seconds: 10 };
    const { turns } = await json<{ turns: Grant[] }>(
      ask('POST', `${streams}/claim`, { key: stack.keys.runner_key, body }),
    );
    const { turn_id, epoch, credential } = turns[0]!;
    const beat = { session_id, turn_id, epoch, status: 'running' };
    await ask('POST', `${streams}/beat`, { key: stack.keys.runner_key, body: { replica_id, turns: [beat] } });
    return { session_id, turn_id, epoch, credential };
  }

  it('that is archived is left out of lists and takes no prompt; it is read, and used again once it is unarchived', async () => {
    const session_id = `s-${randomUUID()}`;
    await running(session_id);
    const listed = async (archived?: string) => {
      const page = ask('POST', '/v1/sessions/query', { body: { limit: 200, ...(archived && { archived }) } });
      return (await json<{ data: { session_id: string }[] }>(page)).data.some((one) => one.session_id === session_id);
    };
    expect(await outcome(ask('POST', `/v1/sessions/${session_id}/archive`, { key: stranger.api_key }))).toBe(
      '404 session_not_found',
    );
    const archived = await json<object>(ask('POST', `/v1/sessions/${session_id}/archive`));
    expect(archived).toMatchObject({ session_id, archived_at: expect.any(String), archived_by_id: expect.any(String) });
    expect([await listed(), await listed('only'), await listed('include')]).toEqual([false, true, true]);
    expect(await outcome(invoke(session_id))).toBe('409 session_archived');
    expect(await outcome(ask('GET', logOf(session_id), { at: there }))).toBe('200');
    expect(await outcome(ask('POST', `/v1/sessions/${session_id}/unarchive`))).toBe('200');
    expect([await listed(), await listed('only')]).toEqual([true, false]);
    expect(await outcome(invoke(session_id))).toBe('202');
    await remove(session_id);
  });

  it('that is deleted is gone for every reader and every late write of its runner, in both processes', async () => {
    const session_id = `s-${randomUUID()}`;
    const { turn_id, epoch, credential } = await running(session_id);
    expect(await outcome(remove(session_id, { key: stranger.api_key }))).toBe('404 session_not_found');
    expect(await outcome(remove(session_id))).toBe('200');

    const fence = { session_id, turn_id, epoch };
    const at = new Date().toISOString();
    const event = { type: 'agent.update', at, turn_id, data: {} };
    const options = [{ option_id: 'y', name: 'Yes', kind: 'allow_once' }];
    const question = { ...fence, token: 'q', kind: 'user_approval', request: { tool_call: { title: 'x' }, options } };
    const page = { session_id, limit: 10 };
    for (const process of [here, there]) {
      for (const [method, path, code, body] of [
        ['GET', `/v1/sessions/${session_id}`, 'session_not_found'],
        ['GET', `/v1/sessions/streams/${session_id}`, 'session_not_found'],
        ['GET', `/v1/sessions/streams/${session_id}/liveness`, 'session_not_found'],
        ['GET', `/v1/sessions/streams/turns/${turn_id}`, 'turn_not_found'],
        ['POST', `/v1/sessions/streams/turns/query`, 'session_not_found', page],
        ['POST', `/v1/sessions/streams/inbox/query`, 'session_not_found', page],
        ['POST', `/v1/sessions/streams/kill`, 'session_not_found', { session_id }],
        ['POST', `/v1/sessions/transcripts/query`, 'session_not_found', page],
        ['GET', logOf(session_id), 'stream_not_found'],
        ['DELETE', `/v1/sessions/${session_id}`, 'session_not_found'],
      ] as [string, string, string, object?][]) {
        expect([path, await outcome(ask(method, path, { body, at: process }))]).toEqual([path, `404 ${code}`]);
      }
      const producer = { 'producer-id': 'runner', 'producer-epoch': String(epoch), 'producer-seq': '0' };
      const late = (path: string, body: object, headers = {}) =>
        outcome(ask('POST', path, { key: credential, body, headers, at: process }));
      expect(await late(logOf(session_id), [event], producer)).toBe('404 stream_not_found');
      expect(await late(`${streams}/complete`, { ...fence, status: 'completed' })).toBe('404 turn_not_found');
      expect(await late(`/v1/admin/sessions/interactions`, question)).toBe('403 stale_epoch');
    }
  });

  it('that is deleted ends every view that is open on it, in both processes', async () => {
    const session_id = `s-${randomUUID()}`;
    await running(session_id);
    const { tail_offset } = await json<{ tail_offset: string }>(ask('GET', `/v1/sessions/streams/${session_id}`));
    const sse = (at: number) => ask('GET', `${logOf(session_id)}?offset=${tail_offset}&live=sse`, { at });
    const watched = { sessions: [{ session_id, offset: tail_offset }] };
    const views = await Promise.all([
      sse(here),
      sse(there),
      ask('POST', '/v1/sessions/streams/watch', { body: watched, at: there }),
    ]);
    const polls = [here, there].map((at) =>
      outcome(ask('GET', `${logOf(session_id)}?offset=${tail_offset}&live=long-poll`, { at })),
    );
    // Each is open: it has told that nothing is new, or will with the first event.
    for (const view of views) expect(view.status).toBe(200);
    expect(await outcome(remove(session_id))).toBe('200');

    // Their lifetime is a minute: they end by the delete, or the test by its time.
    const shown = await Promise.all(views.map((view) => view.text()));
    expect(shown[2]).toContain('session_not_found');
    for (const poll of await Promise.all(polls)) expect(poll).toMatch(/^(200|404 stream_not_found)$/);
    for (const at of [here, there]) expect(await outcome(sse(at))).toBe('404 stream_not_found');
  }, 50_000);

  it('made again is another one: an old offset answers 410, an old key makes nothing, its transcript begins anew', async () => {
    const session_id = `s-${randomUUID()}`;
    const key = { 'idempotency-key': randomUUID() };
    expect(await outcome(invoke(session_id, {}, key))).toBe('202');
    const { tail_offset } = await json<{ tail_offset: string }>(ask('GET', `/v1/sessions/streams/${session_id}`));
    const records = async () => {
      const { data } = await json<{ data: { content: { text?: string } }[] }>(
        ask('POST', '/v1/sessions/transcripts/query', { body: { session_id, limit: 50 }, at: there }),
      );
      return data.length;
    };
    await eventually(async () => expect(await records()).toBeGreaterThan(0), { timeout: 20_000 });
    const deleted = { 'idempotency-key': randomUUID() };
    expect(await outcome(remove(session_id, { headers: deleted }))).toBe('200');
    expect(await outcome(invoke(session_id, {}, key))).toBe('404 session_not_found');
    expect(await outcome(ask('GET', `/v1/sessions/${session_id}`))).toBe('404 session_not_found');

    expect((await ask('PUT', `/v1/sessions/${session_id}`, { body: {} })).status).toBe(201);
    expect(await outcome(ask('GET', `${logOf(session_id)}?offset=${tail_offset}`, { at: there }))).toBe(
      '410 offset_gone',
    );
    expect(await records()).toBe(0);
    expect(await outcome(invoke(session_id, {}, key))).toBe('404 session_not_found');
    // Late, and for the session of before.
    expect(await outcome(remove(session_id, { headers: deleted }))).toBe('200');
    const events = await json<{ type: string }[]>(ask('GET', logOf(session_id), { at: there }));
    expect(events.map(({ type }) => type)).toEqual(['session.created']);
  });
});
