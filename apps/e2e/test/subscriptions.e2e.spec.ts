import { execFile } from 'node:child_process';
import { createPublicKey, randomUUID, verify, type JsonWebKey } from 'node:crypto';
import { once } from 'node:events';
import { createServer, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import path from 'node:path';
import { promisify } from 'node:util';
import { eventually } from '@holdfast/testing';
import { startStack, type Stack } from './stack.js';

const run = promisify(execFile);
const ROTATE = path.resolve(import.meta.dirname, '../../api/dist/commands/rotate-webhook-key.js');

interface Wake {
  subscription_id: string;
  wake_id: string;
  generation: number;
  streams: { path: string; acked_offset: string; tail_offset: string; has_pending: boolean }[];
  callback_url: string;
  callback_token: string;
}

describe('subscriptions over HTTP', () => {
  let stack: Stack;
  let stranger: string;
  let receiver: Awaited<ReturnType<typeof startReceiver>>;
  beforeAll(async () => {
    stack = await startStack({ runner: false, apis: 2, env: { WEBHOOK_ALLOW_LOOPBACK: 'true' } });
    stranger = (await stack.anotherProject()).api_key;
    receiver = await startReceiver();
  }, 60_000);
  afterAll(async () => {
    await receiver?.stop();
    await stack?.stop();
  }, 30_000);
  beforeEach(() => receiver.answer('{"done":true}'));

  const at = (subscription_id: string, rest = '') => `/v1/stream/__ds/subscriptions/${subscription_id}${rest}`;

  async function call(
    method: string,
    path: string,
    body?: unknown,
    headers: Record<string, string> = { authorization: `Bearer ${stack.keys.api_key}` },
  ) {
    const response = await fetch(new URL(path, stack.url), {
      method,
      headers: { ...headers, ...(body !== undefined && { 'content-type': 'application/json' }) },
      body: body === undefined ? undefined : JSON.stringify(body),
    });
    const text = await response.text();
    return {
      status: response.status,
      headers: response.headers,
      body: (text && JSON.parse(text)) as Record<string, unknown>,
    };
  }

  /** A subscription to whatever is below a folder of its own. */
  async function subscribe(create: object = {}) {
    const folder = `f-${randomUUID()}`;
    const id = `sub-${randomUUID()}`;
    const made = await call('PUT', at(id), {
      type: 'webhook',
      pattern: `${folder}/*`,
      webhook: { url: receiver.url },
      lease_ttl_ms: 60_000,
      ...create,
    });
    expect(made.status).toBe(201);
    return { id, folder, made };
  }

  const callsOf = (id: string) => receiver.wakes.filter(({ wake }) => wake.subscription_id === id);
  const callOf = (id: string, nth = 1) =>
    eventually(
      () => {
        const one = callsOf(id)[nth - 1];
        if (!one) throw new Error(`only ${callsOf(id).length} calls`);
        return one;
      },
      { timeout: 20_000 },
    );

  it('a webhook is called after an append, signed by the published key, and acknowledged when it says so', async () => {
    const { id, folder, made } = await subscribe();
    expect((await call('PUT', `/v1/stream/${folder}/a`, [{ n: 1 }])).status).toBe(201);
    const { wake, raw, signature } = await callOf(id);
    expect(wake.streams).toMatchObject([{ path: `${folder}/a`, has_pending: true }]);
    expect(wake.callback_url).toBe(`${stack.url}${at(id, '/callback')}`);

    const { jwks_url } = (made.body['webhook'] as { signing: { jwks_url: string } }).signing;
    expect(jwks_url).toBe(`${stack.url}/v1/stream/__ds/jwks.json`);
    const jwks = await call('GET', jwks_url, undefined, {});
    expect(jwks.status).toBe(200);
    expect(jwks.headers.get('content-type')).toContain('application/jwk-set+json');
    expect(jwks.headers.get('cache-control')).toBe('public, max-age=300');
    const [, timestamp, kid, value] = /^t=(\d+),kid=([^,]+),ed25519=(.+)$/.exec(signature)!;
    const jwk = (jwks.body['keys'] as (JsonWebKey & { kid: string })[]).find((one) => one.kid === kid);
    const key = createPublicKey({ key: jwk!, format: 'jwk' });
    const signed = Buffer.concat([Buffer.from(`${timestamp}.`), raw]);
    expect(verify(null, signed, key, Buffer.from(value!, 'base64url'))).toBe(true);

    await eventually(async () => {
      const { body } = await call('GET', at(id));
      expect(body).toMatchObject({ streams: [{ acked_offset: wake.streams[0]!.tail_offset }], status: 'active' });
    });
  });

  it('the log of a session is a stream like any other', async () => {
    const session_id = `s-${randomUUID()}`;
    const { id } = await subscribe({ pattern: 'sessions/*/events' });
    await stack.client.sessions.createSession({ session_id, SessionCreate: {} });
    expect((await callOf(id)).wake.streams).toContainEqual(
      expect.objectContaining({ path: `sessions/${session_id}/events`, has_pending: true }),
    );
    await call('DELETE', at(id));
  });

  it('a receiver calls back without a key, and is fenced once it is done', async () => {
    receiver.answer('{}');
    const { id, folder } = await subscribe();
    await call('PUT', `/v1/stream/${folder}/a`, [{ n: 1 }]);
    const { wake } = await callOf(id);
    const token = { authorization: `Bearer ${wake.callback_token}` };
    const report = {
      wake_id: wake.wake_id,
      generation: wake.generation,
      acks: [{ stream: `/${folder}/a`, offset: wake.streams[0]!.tail_offset }],
      done: true,
    };
    const done = await call('POST', wake.callback_url, report, token);
    expect(done).toMatchObject({ status: 200, body: { ok: true, next_wake: false } });
    expect(await call('POST', wake.callback_url, report, token)).toMatchObject({
      status: 409,
      body: { code: 'wake_fenced', type: 'urn:holdfast:problem:wake_fenced', error: { code: 'FENCED' } },
    });
  });

  it('workers share a pull-wake subscription: one claims, the others are told who', async () => {
    const wake_stream = `wake-${randomUUID()}`;
    await call('PUT', `/v1/stream/${wake_stream}`, []);
    const { id, folder } = await subscribe({ type: 'pull-wake', wake_stream });
    await call('PUT', `/v1/stream/${folder}/a`, [{ n: 1 }]);
    await eventually(async () => {
      expect((await call('GET', `/v1/stream/${wake_stream}`)).body).toMatchObject([
        { type: 'wake', subscription_id: id, stream: `${folder}/a`, generation: 1 },
      ]);
    });
    const claim = await call('POST', at(id, '/claim'), { worker: 'one' });
    expect(claim).toMatchObject({ status: 200, body: { generation: 1, lease_ttl_ms: 60_000 } });
    expect(await call('POST', at(id, '/claim'), { worker: 'two' })).toMatchObject({
      status: 409,
      body: { error: { code: 'ALREADY_CLAIMED', current_holder: 'one', generation: 1 } },
    });
    const { wake_id, generation, token } = claim.body as unknown as Wake & { token: string };
    const authorization = { authorization: `Bearer ${token}` };
    expect(await call('POST', at(id, '/ack'), { wake_id, generation }, authorization)).toMatchObject({
      status: 200,
      body: { ok: true, next_wake: false },
    });
    const released = await call('POST', at(id, '/release'), { wake_id, generation }, authorization);
    expect(released.status).toBe(204);
  });

  it('streams are added and removed by name, percent-encoded or not', async () => {
    const { id } = await subscribe({ pattern: undefined, streams: ['/a/b/', 'c'] });
    expect((await call('POST', at(id, '/streams'), { streams: ['d/e', 'f/g h'] })).status).toBe(204);
    const paths = async () =>
      ((await call('GET', at(id))).body['streams'] as { path: string }[]).map(({ path }) => path);
    expect(await paths()).toEqual(['a/b', 'c', 'd/e', 'f/g h']);
    expect((await call('DELETE', at(id, `/streams/${encodeURIComponent('a/b')}`))).status).toBe(204);
    expect((await call('DELETE', at(id, '/streams/d/e'))).status).toBe(204);
    expect((await call('DELETE', at(id, '/streams/f/g%20h'))).status).toBe(204);
    expect((await call('DELETE', at(id, '/streams/never/there'))).status).toBe(204);
    expect(await paths()).toEqual(['c']);
  });

  it('a subscription of another project does not exist', async () => {
    const { id } = await subscribe();
    const theirs = { authorization: `Bearer ${stranger}` };
    const notFound = {
      status: 404,
      body: { code: 'subscription_not_found', error: { code: 'SUBSCRIPTION_NOT_FOUND' } },
    };
    expect(await call('GET', at(id), undefined, theirs)).toMatchObject(notFound);
    expect(await call('DELETE', at(id), undefined, theirs)).toMatchObject(notFound);
    expect(await call('POST', at(id, '/streams'), { streams: ['a'] }, theirs)).toMatchObject(notFound);
    expect(await call('DELETE', at(id, '/streams/a'), undefined, theirs)).toMatchObject(notFound);
    expect(await call('POST', at(id, '/claim'), { worker: 'w' }, theirs)).toMatchObject(notFound);
    expect((await call('GET', at(id))).status).toBe(200);
  });

  it.each<[string, number, string, object]>([
    ['an unknown type', 400, 'request_invalid', { type: 'email' }],
    ['a lease under a second', 400, 'request_invalid', { lease_ttl_ms: 999 }],
    ['a lease over ten minutes', 400, 'request_invalid', { lease_ttl_ms: 600_001 }],
    ['a lease in part of milliseconds', 400, 'request_invalid', { lease_ttl_ms: 1_000.5 }],
    ['an unknown field', 400, 'request_invalid', { secret: 'x' }],
    ['too many streams', 400, 'request_invalid', { streams: Array.from({ length: 1_001 }, () => 'a') }],
    ['a stream that is no text', 400, 'request_invalid', { streams: [7] }],
    ['a stream with a path back', 400, 'stream_path_invalid', { streams: ['a/../b'] }],
    ['a webhook that is no object', 400, 'request_invalid', { webhook: 'https://hooks.example' }],
    ['a pattern with half a star', 400, 'subscription_invalid', { pattern: 'a/b*' }],
    ['a wake stream that is reserved', 403, 'stream_reserved', { type: 'pull-wake', wake_stream: 'sessions/s/events' }],
    ['a webhook in this network', 400, 'webhook_url_rejected', { webhook: { url: 'http://10.0.0.1/hook' } }],
    ['a description without end', 400, 'request_invalid', { description: '.'.repeat(1_001) }],
  ])('%s is refused', async (_, status, code, create) => {
    const body = { type: 'webhook', pattern: 'a/*', webhook: { url: receiver.url }, ...create };
    expect(await call('PUT', at(`sub-${randomUUID()}`), body)).toMatchObject({ status, body: { code } });
  });

  it.each<[string, string, string, unknown, number, string]>([
    ['an id with a space', 'PUT', at('a%20b'), { type: 'webhook', pattern: '*' }, 400, 'request_invalid'],
    ['a cursor that is none', 'GET', at('some', '?cursor=abc'), undefined, 400, 'cursor_malformed'],
    ['a claim without a worker', 'POST', at('some', '/claim'), {}, 400, 'request_invalid'],
    ['acknowledgements without end', 'POST', at('some', '/ack'), ack(1_001), 400, 'request_invalid'],
    ['an operation that is none', 'POST', at('some', '/other'), {}, 404, 'route_not_found'],
    ['a stream below __ds', 'PUT', '/v1/stream/__ds/mine', [], 404, 'route_not_found'],
    ['a stream below __ds, spelt otherwise', 'PUT', '/v1/stream/%5F%5Fds/mine', [], 400, 'stream_path_invalid'],
  ])('%s is refused', async (_, method, path, body, status, code) => {
    expect(await call(method, path, body)).toMatchObject({ status, body: { code } });
  });

  it.each(['callback', 'ack', 'release'])('%s takes the token of a wake and nothing else', async (operation) => {
    const { id } = await subscribe();
    const refused = { status: 401, body: { code: 'wake_token_invalid', error: { code: 'TOKEN_INVALID' } } };
    const report = { wake_id: 'w', generation: 1 };
    expect(await call('POST', at(id, `/${operation}`), report, {})).toMatchObject(refused);
    expect(await call('POST', at(id, `/${operation}`), report)).toMatchObject(refused);
    expect(await call('POST', at(id, `/${operation}`), report, { authorization: 'Bearer a.b' })).toMatchObject(refused);
  });

  it.each([
    ['PUT', ''],
    ['GET', ''],
    ['DELETE', ''],
    ['POST', '/streams'],
    ['DELETE', '/streams/a'],
    ['POST', '/claim'],
  ])('%s %s takes the key of a user', async (method, rest) => {
    const body =
      method === 'PUT' || method === 'POST'
        ? { type: 'webhook', pattern: '*', streams: ['a'], worker: 'w' }
        : undefined;
    expect(await call(method, at('some', rest), body, {})).toMatchObject({
      status: 401,
      body: { code: 'unauthenticated' },
    });
    expect(
      await call(method, at('some', rest), body, { authorization: `Bearer ${stack.keys.runner_key}` }),
    ).toMatchObject({ status: 403, body: { code: 'credential_kind' } });
  });

  it('the next signing key is made by a command, and published beside the one that signs', async () => {
    const published = async () => {
      const { body } = await call('GET', `${stack.api.url}/v1/stream/__ds/jwks.json`, undefined, {});
      return (body['keys'] as { kid: string }[]).map(({ kid }) => kid);
    };
    const before = await published();
    const { stdout } = await run(process.execPath, [ROTATE], { env: { DATABASE_URL: stack.databaseUrl() } });
    const { kid } = JSON.parse(stdout) as { kid: string };
    // Others see it within a minute.
    await stack.api.stop();
    await stack.api.start();
    expect(await published()).toEqual([kid, ...before]);
  });

  it('kill -9 of the workers in the middle of a call: it is made again, and nothing is forgotten', async () => {
    receiver.answer(undefined);
    const { id, folder } = await subscribe({ lease_ttl_ms: 1_000 });
    await call('PUT', `/v1/stream/${folder}/a`, [{ n: 1 }]);
    const first = await callOf(id);
    await stack.workers.kill();
    // What comes while nobody works is told of as well.
    await call('PUT', `/v1/stream/${folder}/b`, [{ n: 1 }]);
    receiver.answer('{"done":true}');
    await stack.workers.start();
    const second = await callOf(id, 2);
    expect(second.wake.generation).toBeGreaterThan(first.wake.generation);
    expect(second.wake.streams.map(({ path }) => path)).toContain(`${folder}/a`);
    await eventually(async () => {
      const { streams } = (await call('GET', at(id))).body as unknown as Pick<Wake, 'streams'>;
      expect(streams.map(({ path, acked_offset }) => [path, acked_offset.endsWith('_0000000000000001')])).toEqual([
        [`${folder}/a`, true],
        [`${folder}/b`, true],
      ]);
    });
  }, 60_000);
});

function ack(count: number) {
  return { wake_id: 'w', generation: 1, acks: Array.from({ length: count }, () => ({ stream: 'a', offset: 'b' })) };
}

/** A webhook on this machine. Without an answer it keeps its callers waiting. */
async function startReceiver() {
  const wakes: { wake: Wake; raw: Buffer; signature: string }[] = [];
  const open = new Set<ServerResponse>();
  let answer: string | undefined;
  const server = createServer((request, response) => {
    const chunks: Buffer[] = [];
    request.on('data', (chunk: Buffer) => chunks.push(chunk));
    request.on('end', () => {
      const raw = Buffer.concat(chunks);
      wakes.push({
        wake: JSON.parse(raw.toString()) as Wake,
        raw,
        signature: String(request.headers['webhook-signature']),
      });
      if (answer === undefined) open.add(response);
      else response.end(answer);
    });
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}/hook`,
    wakes,
    answer(text: string | undefined) {
      answer = text;
    },
    async stop() {
      for (const response of open) response.destroy();
      server.closeAllConnections();
      server.close();
      await once(server, 'close');
    },
  };
}
