import { randomUUID } from 'node:crypto';
import { startStack, type Stack } from './stack.js';

const JSON_TYPE = { 'content-type': 'application/json' };
const ZERO = '0000000000000000_0000000000000000';
const BEYOND = '9999999999999999_9999999999999999';
const MIB = 1024 * 1024;

interface Call {
  headers?: Record<string, string>;
  body?: string | Buffer;
  key?: string;
}

describe('bad requests to streams', () => {
  let stack: Stack;
  let stream: string;
  beforeAll(async () => {
    stack = await startStack({ env: { MAX_VIEWERS: '2' }, runner: false });
  }, 60_000);
  beforeEach(async () => {
    stream = `/v1/stream/test/${randomUUID()}`;
    await call('PUT', stream, { headers: JSON_TYPE, body: '[{"n":1},{"n":2}]' });
  });
  afterAll(() => stack?.stop(), 30_000);

  const call = async (method: string, path: string, { headers = {}, body, key = stack.keys.api_key }: Call = {}) => {
    const response = await fetch(`${stack.url}${path}`, {
      method,
      headers: { authorization: `Bearer ${key}`, ...headers },
      body: body as BodyInit | undefined,
    });
    const text = await response.text();
    const isProblem = response.headers.get('content-type') === 'application/problem+json';
    return {
      status: response.status,
      headers: response.headers,
      text,
      problem: isProblem && text ? (JSON.parse(text) as Record<string, unknown>) : undefined,
    };
  };
  const refused = (status: number, code: string) => ({ status, problem: { status, code } });
  const content = async () => JSON.parse((await call('GET', stream)).text) as unknown;

  afterEach(async () => {
    // Nothing is written by a request that is refused.
    expect(await content()).toEqual([{ n: 1 }, { n: 2 }]);
  });

  it.each([
    ['both lifetimes', { 'stream-ttl': '60', 'stream-expires-at': '2090-01-01T00:00:00Z' }],
    ['a lifetime with a sign', { 'stream-ttl': '+60' }],
    ['a lifetime with a leading zero', { 'stream-ttl': '060' }],
    ['a lifetime with a point', { 'stream-ttl': '1.5' }],
    ['a lifetime that is too long for a number', { 'stream-ttl': '99999999999' }],
    ['an empty lifetime', { 'stream-ttl': '' }],
    ['an expiry that is no time', { 'stream-expires-at': 'tomorrow' }],
    ['an expiry without a zone', { 'stream-expires-at': '2090-01-01T00:00:00' }],
    ['an expiry on a day that is none', { 'stream-expires-at': '2090-13-41T00:00:00Z' }],
    ['a fork offset without a source', { 'stream-fork-offset': ZERO }],
    ['a sub-offset without a source', { 'stream-fork-sub-offset': '1' }],
  ])('PUT with %s is 400 stream_create_invalid', async (_, headers: Record<string, string>) => {
    const path = `${stream}-new`;
    expect(await call('PUT', path, { headers })).toMatchObject(refused(400, 'stream_create_invalid'));
    expect(await call('HEAD', path)).toMatchObject({ status: 404 });
  });

  it.each([
    ['a source that is no path of a stream', { from: '/elsewhere' }, 400, 'stream_path_invalid'],
    ['a source that does not exist', { from: '/v1/stream/nowhere' }, 404, 'stream_not_found'],
    ['a source that is reserved', { from: '/v1/stream/sessions/s/events' }, 403, 'stream_reserved'],
    ['a source that is reserved, percent-encoded', { from: '/v1/stream/%73essions/s/events' }, 403, 'stream_reserved'],
    ['an offset that is none', { offset: 'abc' }, 400, 'offset_malformed'],
    ['an offset beyond the end', { offset: BEYOND }, 400, 'offset_beyond_tail'],
    ['a sub-offset that is none', { offset: ZERO, sub: '-1' }, 400, 'stream_create_invalid'],
    ['a sub-offset without an offset', { sub: '1' }, 400, 'stream_create_invalid'],
    ['a sub-offset beyond the end', { offset: ZERO, sub: '3' }, 400, 'stream_create_invalid'],
    ['another content type', { type: 'text/plain' }, 409, 'content_type_mismatch'],
  ])('a fork with %s is refused', async (_, fork, status, code) => {
    const { from = stream, offset, sub, type } = fork as Record<string, string | undefined>;
    const headers = {
      'stream-forked-from': from,
      ...(offset && { 'stream-fork-offset': offset }),
      ...(sub && { 'stream-fork-sub-offset': sub }),
      ...(type && { 'content-type': type }),
    };
    expect(await call('PUT', `${stream}-fork`, { headers })).toMatchObject(refused(status, code));
    expect(await call('HEAD', `${stream}-fork`)).toMatchObject({ status: 404 });
  });

  it.each([
    ['content type', { 'content-type': 'text/plain' }],
    ['closed state', { ...JSON_TYPE, 'stream-closed': 'true' }],
    ['lifetime', { ...JSON_TYPE, 'stream-ttl': '60' }],
    ['source', { 'stream-forked-from': '/v1/stream/self' }],
  ])('PUT of a stream that exists with another %s is 409 stream_exists', async (difference, headers) => {
    const own = Object.fromEntries(
      Object.entries(headers).map(([name, value]) => [name, value === '/v1/stream/self' ? stream : value]),
    );
    expect(await call('PUT', stream, { headers: own })).toMatchObject({
      status: 409,
      problem: { code: 'stream_exists', difference },
    });
  });

  const producer = (epoch: string, seq: string, id = 'p') => ({
    ...JSON_TYPE,
    'producer-id': id,
    'producer-epoch': epoch,
    'producer-seq': seq,
  });
  it.each([
    ['nothing to append', JSON_TYPE, undefined, 400, 'append_malformed'],
    ['no content type', {}, Buffer.from('{}'), 400, 'append_malformed'],
    ['an empty array', JSON_TYPE, '[]', 400, 'append_malformed'],
    ['half a value', JSON_TYPE, '{"a":', 400, 'append_malformed'],
    ['two values', JSON_TYPE, '{}{}', 400, 'append_malformed'],
    ['bytes that are no UTF-8', JSON_TYPE, Buffer.from([0x22, 0xff, 0x22]), 400, 'append_malformed'],
    ['too many messages', JSON_TYPE, `[${Array(10_001).fill(0).join()}]`, 400, 'append_malformed'],
    ['a message that is too large', JSON_TYPE, `"${'x'.repeat(MIB)}"`, 413, 'message_too_large'],
    ['a body that is too large', JSON_TYPE, Buffer.alloc(16 * MIB + 1, ' '), 413, 'body_too_large'],
    ['another content type', { 'content-type': 'text/plain' }, 'a', 409, 'content_type_mismatch'],
    ['one of three producer headers', { ...JSON_TYPE, 'producer-id': 'p' }, '1', 400, 'append_malformed'],
    ['an empty producer id', producer('0', '0', ''), '1', 400, 'append_malformed'],
    ['a producer id that is too long', producer('0', '0', 'p'.repeat(257)), '1', 400, 'append_malformed'],
    ['a negative epoch', producer('-1', '0'), '1', 400, 'append_malformed'],
    ['an epoch of 2^53', producer('9007199254740992', '0'), '1', 400, 'append_malformed'],
    ['a sequence that is no number', producer('0', 'x'), '1', 400, 'append_malformed'],
    ['a sequence with a point', producer('0', '1.0'), '1', 400, 'append_malformed'],
    ['a gap in the sequence', producer('0', '1'), '1', 409, 'producer_sequence_gap'],
  ])('POST with %s is refused', async (_, headers, body, status, code) => {
    expect(await call('POST', stream, { headers: headers as Record<string, string>, body })).toMatchObject(
      refused(status, code),
    );
  });

  it.each([
    ['empty', '?offset='],
    ['repeated', `?offset=${ZERO}&offset=${ZERO}`],
    ['a word', '?offset=abc'],
    ['a path', '?offset=../../etc'],
    ['one with a line break', `?offset=${ZERO}%0a`],
    ['one with a NUL', `?offset=%00`],
  ])('GET with an offset that is %s is 400 offset_malformed', async (_, query) => {
    expect(await call('GET', stream + query)).toMatchObject(refused(400, 'offset_malformed'));
  });

  it.each([
    ['an offset beyond the end', `?offset=${BEYOND}`, 'offset_beyond_tail'],
    ['an unknown way to follow', '?offset=-1&live=websocket', 'live_mode_unknown'],
    ['two ways to follow', '?offset=-1&live=sse&live=long-poll', 'live_mode_unknown'],
    ['a way to follow, but not from where', '?live=sse', 'live_offset_missing'],
  ])('GET with %s is 400', async (_, query, code) => {
    expect(await call('GET', stream + query)).toMatchObject(refused(400, code));
  });

  it.each([
    ['an empty segment', '/v1/stream/a//b'],
    ['no segment', '/v1/stream/'],
    ['a control character', '/v1/stream/a%0ab'],
    ['bytes that are no UTF-8', '/v1/stream/%ff'],
    ['too many bytes', `/v1/stream/${'a'.repeat(401)}`],
  ])('a path with %s is 400 stream_path_invalid', async (_, path) => {
    for (const method of ['PUT', 'POST', 'GET', 'DELETE']) {
      const body = method === 'POST' ? '1' : undefined;
      expect(await call(method, path, { headers: JSON_TYPE, body })).toMatchObject(refused(400, 'stream_path_invalid'));
    }
  });

  it.each([
    '/v1/stream/sessions/s/events',
    '/v1/stream/sessions/other',
    '/v1/stream/%73essions/s/x',
    '/v1/stream/runners/r',
  ])('%s is reserved for those whose log it is', async (path) => {
    for (const method of ['PUT', 'DELETE']) {
      expect(await call(method, path, { headers: JSON_TYPE })).toMatchObject(refused(403, 'stream_reserved'));
    }
  });

  it.each(['runners/r/control', '%72unners/r/control', 'runners%2Fr%2Fcontrol', 'runners/r/contro%6c'])(
    "the control log %s is its runner's, however its path is written",
    async (path) => {
      expect(await call('GET', `/v1/stream/${path}`)).toMatchObject(refused(403, 'credential_kind'));
      expect(await call('HEAD', `/v1/stream/${path}`)).toMatchObject({ status: 405 });
    },
  );

  it('an unknown stream is 404 for every verb', async () => {
    const path = '/v1/stream/nowhere';
    expect(await call('GET', path)).toMatchObject(refused(404, 'stream_not_found'));
    expect(await call('GET', `${path}?offset=-1&live=sse`)).toMatchObject(refused(404, 'stream_not_found'));
    expect(await call('GET', `${path}?offset=now&live=long-poll`)).toMatchObject(refused(404, 'stream_not_found'));
    expect(await call('HEAD', path)).toMatchObject({ status: 404 });
    expect(await call('POST', path, { headers: JSON_TYPE, body: '1' })).toMatchObject(refused(404, 'stream_not_found'));
    expect(await call('DELETE', path)).toMatchObject(refused(404, 'stream_not_found'));
  });

  it("another project's stream is as unknown, also as the source of a fork", async () => {
    const { api_key: key } = await stack.anotherProject();
    expect(await call('GET', stream, { key })).toMatchObject(refused(404, 'stream_not_found'));
    expect(await call('HEAD', stream, { key })).toMatchObject({ status: 404 });
    const append = { key, headers: JSON_TYPE, body: '1' };
    expect(await call('POST', stream, append)).toMatchObject(refused(404, 'stream_not_found'));
    expect(await call('DELETE', stream, { key })).toMatchObject(refused(404, 'stream_not_found'));
    const fork = { key, headers: { 'stream-forked-from': stream } };
    expect(await call('PUT', `${stream}-mine`, fork)).toMatchObject(refused(404, 'stream_not_found'));
    // The name is free there, and its own.
    expect(await call('PUT', stream, { key, headers: JSON_TYPE })).toMatchObject({ status: 201 });
  });

  it('a verb that streams do not have is 405, with those that they have', async () => {
    const answer = await call('PATCH', stream, { body: '1' });
    expect(answer).toMatchObject(refused(405, 'method_not_allowed'));
    expect(answer.headers.get('allow')).toBe('PUT, POST, DELETE, GET, HEAD');
  });

  it("a runner's key opens no stream of a project", async () => {
    const key = stack.keys.runner_key;
    expect(await call('GET', stream, { key })).toMatchObject(refused(403, 'credential_kind'));
    expect(await call('POST', stream, { key, headers: JSON_TYPE, body: '1' })).toMatchObject(
      refused(403, 'credential_kind'),
    );
  });

  it('viewers are bounded, and a place is free again when one leaves', async () => {
    const view = async () => {
      const leaving = new AbortController();
      const { status } = await fetch(`${stack.url}${stream}?offset=-1&live=sse`, {
        headers: { authorization: `Bearer ${stack.keys.api_key}` },
        signal: leaving.signal,
      });
      return { status, leave: () => leaving.abort() };
    };
    const seen = [await view(), await view()];
    expect(seen.map(({ status }) => status)).toEqual([200, 200]);
    const live = `${stream}?offset=-1&live=sse`;
    expect(await call('GET', live)).toMatchObject({ ...refused(503, 'too_many_viewers'), problem: { limit: 2 } });
    for (const { leave } of seen) leave();
    let next = await view();
    while (next.status === 503) next = await view();
    expect(next.status).toBe(200);
    next.leave();
  });
});

describe('a closed stream', () => {
  let stack: Stack;
  beforeAll(async () => {
    stack = await startStack({ runner: false });
  }, 60_000);
  afterAll(() => stack?.stop(), 30_000);

  it('says in every refusal that it is closed and where it ends', async () => {
    const url = `${stack.url}/v1/stream/closed`;
    const headers = { authorization: `Bearer ${stack.keys.api_key}`, ...JSON_TYPE };
    await fetch(url, { method: 'PUT', headers: { ...headers, 'stream-closed': 'true' }, body: '[1]' });
    const answer = await fetch(url, { method: 'POST', headers, body: '2' });
    expect(answer.status).toBe(409);
    expect(answer.headers.get('stream-closed')).toBe('true');
    const next_offset = answer.headers.get('stream-next-offset');
    expect(await answer.json()).toMatchObject({ code: 'stream_closed', next_offset });
    expect(await (await fetch(`${url}?offset=${next_offset}`, { headers })).text()).toBe('[]');
  });
});
