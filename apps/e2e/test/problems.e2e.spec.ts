import { randomUUID } from 'node:crypto';
import { startStack, type Stack } from './stack.js';

describe('bad requests over HTTP', () => {
  let stack: Stack;
  let session_id: string;
  beforeAll(async () => {
    stack = await startStack();
    session_id = `s-${randomUUID()}`;
    await stack.client.sessions.createSession({ session_id, SessionCreate: {} });
  }, 60_000);
  afterAll(() => stack?.stop(), 30_000);

  const call = async (
    method: string,
    path: string,
    {
      body,
      key = stack.keys.api_key,
      headers = {},
    }: { body?: unknown; key?: string; headers?: Record<string, string> } = {},
  ) => {
    const response = await fetch(`${stack.url}${path}`, {
      method,
      headers: { authorization: `Bearer ${key}`, 'content-type': 'application/json', ...headers },
      body: body === undefined ? undefined : typeof body === 'string' ? body : JSON.stringify(body),
    });
    const text = await response.text();
    const isProblem = response.headers.get('content-type')?.startsWith('application/problem+json') ?? false;
    return { status: response.status, problem: isProblem ? (JSON.parse(text) as Record<string, unknown>) : undefined };
  };

  it.each([
    ['fetch', 'GET', '/v1/sessions/nobody', undefined, 'session_not_found'],
    ['stream', 'GET', '/v1/sessions/streams/nobody', undefined, 'session_not_found'],
    ['turns', 'POST', '/v1/sessions/streams/turns/query', { session_id: 'nobody' }, 'session_not_found'],
    ['transcript', 'POST', '/v1/sessions/transcripts/query', { session_id: 'nobody' }, 'session_not_found'],
    ['cancel', 'POST', '/v1/sessions/streams/invoke', { session_id: 'nobody' }, 'session_not_found'],
    ['log', 'GET', '/v1/stream/sessions/nobody/events', undefined, 'stream_not_found'],
    ['live log', 'GET', '/v1/stream/sessions/nobody/events?offset=-1&live=sse', undefined, 'stream_not_found'],
    ['turn', 'GET', `/v1/sessions/streams/turns/${randomUUID()}`, undefined, 'turn_not_found'],
    ['interaction', 'GET', `/v1/sessions/interactions/${randomUUID()}`, undefined, 'interaction_not_found'],
    ['agent', 'GET', '/v1/agents/nobody', undefined, 'agent_not_found'],
    ['route', 'GET', '/v1/nothing-here', undefined, 'route_not_found'],
  ])('an unknown %s is 404', async (_, method, path, body, code) => {
    expect(await call(method, path, { body })).toMatchObject({ status: 404, problem: { code, status: 404 } });
  });

  it.each([
    ['with a dot', 'PUT', '/v1/sessions/a.b', {}],
    ['with a space', 'PUT', '/v1/sessions/a%20b', {}],
    ['too long', 'PUT', `/v1/sessions/${'a'.repeat(129)}`, {}],
    ['with a path', 'POST', '/v1/sessions/streams/invoke', { session_id: '../etc', prompt: 'hi' }],
    ['a number', 'POST', '/v1/sessions/streams/invoke', { session_id: 7, prompt: 'hi' }],
    ['with a dot, to kill', 'POST', '/v1/sessions/streams/kill', { session_id: 'a.b' }],
    ['with a dot, in questions', 'POST', '/v1/sessions/interactions/query', { session_id: 'a.b' }],
    ['too long, in transcripts', 'POST', '/v1/sessions/transcripts/query', { session_id: 'a'.repeat(129) }],
    ['too long, in deliveries', 'POST', '/v1/triggers/deliveries/query', { session_id: 'a'.repeat(129) }],
  ])('A6: a session id that is %s is 400 request_invalid', async (_, method, path, body) => {
    const answer = await call(method, path, { body });
    expect(answer).toMatchObject({ status: 400, problem: { code: 'request_invalid' } });
    expect((answer.problem!['errors'] as { pointer: string }[])[0]!.pointer).toContain('session_id');
  });

  it('an unknown field is refused by name, so that no typing error goes unnoticed', async () => {
    const body = { session_id, promt: 'hi' };
    expect(await call('POST', '/v1/sessions/streams/invoke', { body })).toMatchObject({
      status: 400,
      problem: { code: 'request_invalid', errors: [{ pointer: '/promt' }] },
    });
  });

  it.each([
    ['a prompt that is null', 'POST', '/v1/sessions/streams/invoke', { prompt: null }, 'request_invalid'],
    ['a limit that is null', 'POST', '/v1/sessions/query', { limit: null, session_id: undefined }, 'request_invalid'],
    ['a cursor that is none', 'POST', '/v1/sessions/streams/turns/query', { cursor: 'abc' }, 'cursor_malformed'],
    ['an unknown way to follow', 'GET', '?live=websocket', undefined, 'live_mode_unknown'],
    ['two ways to follow', 'GET', '?live=sse&live=sse', undefined, 'live_mode_unknown'],
  ])('%s is 400', async (_, method, path, body, code) => {
    const url = path.startsWith('?') ? `/v1/stream/sessions/${session_id}/events${path}` : path;
    const answer = await call(method, url, { body: body && { session_id, ...body } });
    expect(answer).toMatchObject({ status: 400, problem: { code } });
  });

  it('a cursor of a place that cannot be is an empty page, not an error', async () => {
    const cursor = Buffer.from(JSON.stringify({ turn_index: 2 ** 40 })).toString('base64url');
    expect((await call('POST', '/v1/sessions/streams/turns/query', { body: { session_id, cursor } })).status).toBe(200);
  });

  it('a body that is no JSON is 400 json_malformed', async () => {
    expect(await call('POST', '/v1/sessions/query', { body: '{' })).toMatchObject({
      status: 400,
      problem: { code: 'json_malformed' },
    });
  });

  it('a body over the limit is 413 and names the limit', async () => {
    const body = { session_id, prompt: 'x'.repeat(1_100_000) };
    expect(await call('POST', '/v1/sessions/streams/invoke', { body })).toMatchObject({
      status: 413,
      problem: { code: 'body_too_large', limit_bytes: 1024 * 1024 },
    });
  });

  it.each([
    ['no key', ''],
    ['a key that does not exist', 'hf_user_0000000000000000_00'],
    ['nonsense', 'x'.repeat(5000)],
  ])('%s is 401', async (_, key) => {
    expect(await call('GET', `/v1/sessions/${session_id}`, { key })).toMatchObject({
      status: 401,
      problem: { code: 'unauthenticated' },
    });
  });

  it("a runner's key opens no user route, and a user's key no runner route", async () => {
    expect(await call('GET', `/v1/sessions/${session_id}`, { key: stack.keys.runner_key })).toMatchObject({
      status: 403,
      problem: { code: 'credential_kind' },
    });
    const claim = { replica_id: randomUUID(), capacity: 1, wait_seconds: 0 };
    expect(await call('POST', '/v1/admin/sessions/streams/claim', { body: claim })).toMatchObject({
      status: 403,
      problem: { code: 'credential_kind' },
    });
  });

  it("another project's session, log and questions do not exist for a stranger", async () => {
    const { api_key: key } = await stack.anotherProject();
    for (const path of [
      `/v1/sessions/${session_id}`,
      `/v1/sessions/streams/${session_id}`,
      `/v1/stream/sessions/${session_id}/events`,
    ]) {
      expect((await call('GET', path, { key })).status).toBe(404);
    }
    const own = await call('PUT', `/v1/sessions/${session_id}`, { key, body: {} });
    expect(own.status).toBe(201);
  });

  it('an idempotency key repeats the answer, and is refused for another request', async () => {
    const headers = { 'idempotency-key': randomUUID() };
    const invoke = { session_id, prompt: '[[say:once]]', detached: true };
    const send = (body: object) =>
      fetch(`${stack.url}/v1/sessions/streams/invoke`, {
        method: 'POST',
        headers: { authorization: `Bearer ${stack.keys.api_key}`, 'content-type': 'application/json', ...headers },
        body: JSON.stringify(body),
      });
    const first = await (await send(invoke)).json();
    const again = await (await send(invoke)).json();
    expect(again).toMatchObject({ turn_id: (first as { turn_id: string }).turn_id });
    const { data } = await stack.client.streams.querySessionTurns({ SessionTurnQuery: { session_id } });
    expect(data).toHaveLength(1);
    expect(
      await call('POST', '/v1/sessions/streams/invoke', { headers, body: { session_id, prompt: 'other' } }),
    ).toMatchObject({
      status: 422,
      problem: { code: 'idempotency_key_reused' },
    });
  });

  it.each([
    ['malformed', 'abc', 400, 'offset_malformed'],
    ['beyond the tail', '0000000000000001_0000000000999999', 400, 'offset_beyond_tail'],
    ['of an earlier generation', '0000000000000000_0000000000000003', 410, 'offset_gone'],
  ])('an offset that is %s is refused', async (_, offset, status, code) => {
    expect(await call('GET', `/v1/stream/sessions/${session_id}/events?offset=${offset}`)).toMatchObject({
      status,
      problem: { code },
    });
  });

  it("a runner's key writes nothing to any session: that takes the credential of a turn", async () => {
    const events = [{ type: 'agent.update', at: new Date().toISOString(), turn_id: randomUUID(), data: {} }];
    const append = { 'producer-id': 'runner', 'producer-epoch': '99', 'producer-seq': '0' };
    const key = stack.keys.runner_key;
    expect(
      await call('POST', `/v1/stream/sessions/${session_id}/events`, { key, body: events, headers: append }),
    ).toMatchObject({ status: 403, problem: { code: 'credential_kind' } });
    const complete = { session_id, turn_id: randomUUID(), epoch: 99, status: 'completed' };
    expect(await call('POST', '/v1/admin/sessions/streams/complete', { key, body: complete })).toMatchObject({
      status: 403,
      problem: { code: 'credential_kind' },
    });
  });

  it("A10: a replica is its key's: another runner cannot act as it or read its commands", async () => {
    const mine = { replica_id: randomUUID(), pools: ['default'] };
    const key = stack.keys.runner_key;
    expect((await call('POST', '/v1/admin/sessions/streams/register', { key, body: mine })).status).toBe(200);
    const control = `/v1/stream/runners/${mine.replica_id}/control`;
    expect((await call('GET', control, { key })).status).toBe(200);
    for (const path of [`/v1/stream/runners/${randomUUID()}/control`, '/v1/stream/runners/nobody/control']) {
      expect(await call('GET', path, { key })).toMatchObject({ status: 404, problem: { code: 'stream_not_found' } });
    }
    const { runner_key: stranger } = await stack.anotherProject();
    expect((await call('GET', control, { key: stranger })).status).toBe(404);
    const beat = { replica_id: mine.replica_id, turns: [] };
    expect(await call('POST', '/v1/admin/sessions/streams/heartbeat', { key: stranger, body: beat })).toMatchObject({
      status: 409,
      problem: { code: 'replica_unknown' },
    });
  });

  it('health, metrics and the OpenAPI document answer without a key', async () => {
    for (const path of ['/health/live', '/health/ready', '/metrics', '/openapi.json']) {
      expect((await fetch(`${stack.url}${path}`)).status).toBe(200);
    }
  });
});
