import { once } from 'node:events';
import { request as httpRequest, type ClientRequest, type IncomingHttpHeaders, type IncomingMessage } from 'node:http';
import { startStack, type Stack } from './stack.js';

export const backends = process.env['HOLDFAST_TEST_REDIS_URL'] ? ['PostgreSQL alone', 'Redis'] : ['PostgreSQL alone'];
export const MIB = 1024 * 1024;
export const MAX_VIEWERS = 3;
export const PUBLIC_URL = 'https://holdfast.example/agents';

export type Headers = Record<string, string>;

export interface Sent {
  headers?: Headers;
  body?: string | Buffer;
  key?: string;
}

export interface Received {
  status: number;
  headers: IncomingHttpHeaders;
  body: Buffer;
  problem?: Record<string, unknown>;
}

export const JSON_TYPE = { 'content-type': 'application/json' };
export const TEXT_TYPE = { 'content-type': 'text/plain' };
export const producer = (epoch: string | number, seq: string | number, id = 'w'): Headers => ({
  'producer-id': id,
  'producer-epoch': String(epoch),
  'producer-seq': String(seq),
});

/** Starts Holdfast for the tests of one `describe`, with streams in every state that requests may find. */
export function streamsOn(backend: string) {
  let stack: Stack;
  /** Keys of another project. */
  let stranger: { api_key: string; runner_key: string };
  beforeAll(async () => {
    const env = {
      PUBLIC_URL,
      MAX_VIEWERS: String(MAX_VIEWERS),
      LONG_POLL_SECONDS: '0.2',
      RATE_LIMIT_PER_MINUTE: '1000000',
    };
    stack = await startStack({ redis: backend === 'Redis', runner: false, env });
    stranger = await stack.anotherProject();
    await put('json', { headers: JSON_TYPE, body: '[1,2,3]' });
    await put('text', { headers: TEXT_TYPE, body: 'hello' });
    await put('closed', { headers: { ...JSON_TYPE, 'stream-closed': 'true' }, body: '[1]' });
    await put('produced', { headers: JSON_TYPE });
    await post('produced', { headers: { ...JSON_TYPE, ...producer(2, 0) }, body: '[1]' });
    await post('produced', { headers: { ...JSON_TYPE, ...producer(2, 1) }, body: '[2]' });
    await post('produced', { headers: { ...JSON_TYPE, 'stream-seq': 'm' }, body: '[3]' });
    await put('hidden', { headers: JSON_TYPE, body: '[1,2]' });
    await put('branch', { headers: { 'stream-forked-from': '/v1/stream/hidden' } });
    await call('DELETE', '/v1/stream/hidden');
    await put('again', { headers: JSON_TYPE, body: '[1,2,3]' });
    stale = String((await call('HEAD', '/v1/stream/again')).headers['stream-next-offset']);
    await call('DELETE', '/v1/stream/again');
    await put('again', { headers: JSON_TYPE, body: '[4]' });
    await call('PUT', '/v1/stream/foreign', { headers: JSON_TYPE, body: '[1]', key: stranger.api_key });
    await stack.client.sessions.createSession({ session_id: 's', SessionCreate: {} });
  }, 60_000);
  // Where one was made that should not have been, that is one failure, and not one of every other test.
  afterEach(() => call('DELETE', '/v1/stream/new'));
  afterAll(() => stack?.stop(), 30_000);

  /** An offset of a stream that another one has replaced. */
  let stale: string;

  /** As it is: nothing is normalized, nothing is added. */
  const open = (method: string, path: string, { headers = {}, key = stack.keys.api_key }: Sent = {}): ClientRequest => {
    const authorization: Headers = key ? { authorization: `Bearer ${key}` } : {};
    const { hostname, port } = new URL(stack.url);
    return httpRequest({ hostname, port, method, path, headers: { ...authorization, ...headers } });
  };

  const answerOf = async (request: ClientRequest): Promise<Received> => {
    const [response] = (await once(request, 'response')) as [IncomingMessage];
    const chunks: Buffer[] = [];
    for await (const chunk of response) chunks.push(chunk as Buffer);
    const body = Buffer.concat(chunks);
    const isProblem = response.headers['content-type'] === 'application/problem+json' && body.length > 0;
    const problem = isProblem ? (JSON.parse(body.toString()) as Record<string, unknown>) : undefined;
    return { status: response.statusCode!, headers: response.headers, body, problem };
  };

  const call = (method: string, path: string, sent: Sent = {}): Promise<Received> => {
    const request = open(method, path, sent);
    request.end(sent.body);
    return answerOf(request);
  };
  const put = async (path: string, sent: Sent) =>
    expect((await call('PUT', `/v1/stream/${path}`, sent)).status).toBe(201);
  const post = async (path: string, sent: Sent) =>
    expect(Math.floor((await call('POST', `/v1/stream/${path}`, sent)).status / 100)).toBe(2);

  const PATHS = ['json', 'text', 'closed', 'produced', 'hidden', 'branch', 'again', 'new'];

  /** How far the streams are that requests here are about. */
  const everything = async () => {
    const heads = await Promise.all(PATHS.map((path) => call('HEAD', `/v1/stream/${path}`)));
    return heads.map(({ status, headers }) => [status, headers['stream-next-offset'], headers['stream-closed']]);
  };

  /** It is refused, says so as a problem with this status and code, and changes nothing. */
  const expectRefusal = async (
    [method, path, sent]: [string, string, Sent?],
    [status, code]: [number, string],
    more: { members?: object; headers?: object } = {},
  ) => {
    const before = await everything();
    const answer = await call(method, path, sent);
    const problem = { type: `urn:holdfast:problem:${code}`, code, status, ...more.members };
    if (method === 'HEAD') expect(answer.status).toBe(status);
    else expect(answer).toMatchObject({ status, problem, headers: more.headers ?? {} });
    expect(answer.headers).toMatchObject({ 'x-content-type-options': 'nosniff' });
    expect(await everything()).toEqual(before);
  };

  return {
    open,
    call,
    put,
    post,
    everything,
    answerOf,
    expectRefusal,
    keys: () => stack.keys,
    /** Keys of another project. */
    stranger: () => stranger,
    stale: () => stale,
  };
}
