import { randomBytes } from 'node:crypto';
import { request as httpRequest, type ServerResponse } from 'node:http';
import { once } from 'node:events';
import { Controller, Get, Logger } from '@nestjs/common';
import { Permit } from '@holdfast/platform-auth';
import { defineError, type DomainError } from '@holdfast/platform-errors';
import {
  DirectRoutes,
  MAX_BODY_BYTES,
  readBody,
  writeHead,
  type DirectRequest,
  type DirectRoute,
} from '../src/index.js';
import { startTestApp, type TestApp } from './test-app.js';

const Closed = defineError({ code: 'closed', kind: 'conflict', title: 'Closed', detail: () => 'It is closed.' });

/** Routes as the log has them: the raw request in, the raw response out. */
class Routes extends DirectRoutes {
  private readonly route: DirectRoute = {
    name: '/v1/direct/*',
    methods: {
      GET: { policy: { for: 'user', permission: 'VIEW_SESSIONS' }, handle: (...args) => this.read(...args) },
      POST: { policy: { for: 'runner' }, handle: (...args) => this.append(...args) },
      PUT: { policy: { for: 'turn' }, handle: (...args) => this.append(...args) },
    },
  };

  readonly all = [this.route];

  find(path: string): DirectRoute | undefined {
    return path.startsWith('/v1/direct/') ? this.route : undefined;
  }

  headersOf({ code }: DomainError): Record<string, string> {
    return code === 'closed' ? { 'stream-closed': 'true' } : {};
  }

  private async read({ path, search, principal }: DirectRequest, response: ServerResponse): Promise<void> {
    if (path.endsWith('/closed')) throw Closed();
    if (path.endsWith('/broken')) throw new Error('a secret');
    if (path.endsWith('/half')) {
      writeHead(response, 200, { 'content-type': 'text/event-stream' }).write('data: 1\n\n');
      throw new Error('in the middle');
    }
    writeHead(response, 200, { 'content-type': 'application/json', 'cache-control': 'private' }).end(
      JSON.stringify({ path, search, project_id: principal.project_id }),
    );
  }

  private async append({ raw }: DirectRequest, response: ServerResponse): Promise<void> {
    const body = await readBody(raw);
    writeHead(response, 200, {}).end(JSON.stringify({ bytes: body.length }));
  }
}

@Controller('v1/ordinary')
class OrdinaryRoutes {
  @Permit('VIEW_SESSIONS')
  @Get()
  ordinary() {
    return {};
  }
}

let test: TestApp;
let user: string;
let runner: string;
beforeAll(async () => {
  test = await startTestApp({ controllers: [OrdinaryRoutes], directRoutes: new Routes(), rateLimitPerMinute: 30 });
});
beforeEach(async () => {
  user = await test.userKey('VIEW_SESSIONS');
  runner = await test.runnerKey();
});
afterEach(() => jest.restoreAllMocks());
afterAll(() => test.stop());

const send = (path: string, key: string | undefined, init: RequestInit = {}) =>
  fetch(`${test.url}${path}`, {
    ...init,
    headers: { ...init.headers, ...(key && { authorization: `Bearer ${key}` }) },
  });

describe('the direct lane', () => {
  it('hands a request to its route, with the project of the key, the path as it was sent and the query', async () => {
    const answer = await send('/v1/direct/a%20b?c=d', user);
    expect(await answer.json()).toEqual({ path: '/v1/direct/a%20b', search: 'c=d', project_id: test.project_id });
  });

  it('gives every answer the headers that the framework gives, and lets the handler have its own', async () => {
    const ofPage = (path: string) => send(path, user, { headers: { origin: 'https://page.example' } });
    const [direct, ordinary] = [await ofPage('/v1/direct/x'), await ofPage('/v1/ordinary')];
    for (const name of [
      'x-content-type-options',
      'cross-origin-resource-policy',
      'content-security-policy',
      'referrer-policy',
      'access-control-allow-origin',
      'access-control-expose-headers',
    ]) {
      expect([name, direct.headers.get(name)]).toEqual([name, ordinary.headers.get(name)]);
      expect([name, direct.headers.get(name)]).toEqual([name, expect.stringMatching(/./)]);
    }
    expect(direct.headers.get('cache-control')).toBe('private');
  });

  it('takes over the request id of the caller, or gives one', async () => {
    const given = await send('/v1/direct/x', user, { headers: { 'x-request-id': 'mine' } });
    const made = await Promise.all([send('/v1/direct/x', user), send('/v1/direct/x', user)]);
    expect(given.headers.get('x-request-id')).toBe('mine');
    expect(new Set(made.map(({ headers }) => headers.get('x-request-id'))).size).toBe(2);
  });

  it.each([
    ['without a key', () => send('/v1/direct/x', undefined), 401, 'unauthenticated'],
    ['with a key that is none', () => send('/v1/direct/x', 'hf_user_nobody'), 401, 'unauthenticated'],
    ['with another kind of key', () => send('/v1/direct/x', runner), 403, 'credential_kind'],
    [
      'by a method that the route has not',
      () => send('/v1/direct/x', user, { method: 'PATCH' }),
      405,
      'method_not_allowed',
    ],
    ['that the handler refuses', () => send('/v1/direct/closed', user), 409, 'closed'],
  ])('refuses a request %s, as a problem', async (_, act, status, code) => {
    const answer = await act();
    expect([answer.status, answer.headers.get('content-type')]).toEqual([status, 'application/problem+json']);
    expect(await answer.json()).toMatchObject({ code, status, instance: answer.headers.get('x-request-id') });
  });

  it('refuses a key without the permission', async () => {
    const answer = await send('/v1/direct/x', await test.userKey('EDIT_SESSIONS'));
    expect(await answer.json()).toMatchObject({ status: 403, code: 'permission_denied' });
  });

  it("takes a turn's credential, the second time without waiting, and holds its turn to a budget", async () => {
    const turn = await test.turnCredential(`t-${randomBytes(4).toString('hex')}`);
    const statuses: number[] = [];
    for (let count = 0; count < 31; count++) {
      statuses.push((await send('/v1/direct/x', turn, { method: 'PUT', body: 'x' })).status);
    }
    expect(statuses).toEqual([...Array<number>(30).fill(200), 429]);
    expect((await send('/v1/direct/x', user, { method: 'PUT', body: 'x' })).status).toBe(403);
    expect((await send('/v1/direct/x', await test.turnCredential('t'))).status).toBe(403);
  });

  it('says what a problem means in headers, where the routes know', async () => {
    expect((await send('/v1/direct/closed', user)).headers.get('stream-closed')).toBe('true');
    expect((await send('/v1/direct/x', user, { method: 'PATCH' })).headers.get('allow')).toBe('GET, POST, PUT');
  });

  it('tells the caller nothing of an unexpected failure, and the log everything', async () => {
    const logged = jest.spyOn(Logger.prototype, 'error').mockReturnValue();
    const answer = await send('/v1/direct/broken', user);
    expect(answer.status).toBe(500);
    expect(await answer.text()).not.toContain('a secret');
    expect(logged).toHaveBeenCalledWith(
      expect.objectContaining({ err: expect.objectContaining({ message: 'a secret' }) }),
    );
  });

  it('cuts an answer off that fails in the middle', async () => {
    jest.spyOn(Logger.prototype, 'error').mockReturnValue();
    await expect(send('/v1/direct/half', user).then((answer) => answer.text())).rejects.toThrow();
  });

  it('spends from the same budget as the framework', async () => {
    const statuses: number[] = [];
    for (let count = 0; count < 31; count++) {
      const { status } = await send(count % 2 ? '/v1/direct/x' : '/v1/ordinary', user);
      statuses.push(status);
    }
    expect(statuses.slice(0, 30)).toEqual(Array(30).fill(200));
    expect(statuses[30]).toBe(429);
    const refused = await send('/v1/direct/x', user);
    expect(Number(refused.headers.get('retry-after'))).toBeGreaterThan(0);
    expect(await refused.json()).toMatchObject({ code: 'rate_limited', limit_per_minute: 30 });
  });

  it('takes bodies up to the limit and refuses larger ones, whether they say their length or not', async () => {
    const post = (body: BodyInit, init: object = {}) =>
      send('/v1/direct/x', runner, { method: 'POST', body, ...init } as RequestInit);
    expect(await (await post(randomBytes(MAX_BODY_BYTES))).json()).toEqual({ bytes: MAX_BODY_BYTES });
    const tooLarge = await post(Buffer.alloc(MAX_BODY_BYTES + 1));
    expect(await tooLarge.json()).toMatchObject({ code: 'body_too_large', limit_bytes: MAX_BODY_BYTES });
  });

  it('has not read a body that it refuses, and so closes the connection', async () => {
    const request = httpRequest(`${test.url}/v1/direct/x`, { method: 'POST', headers: { 'content-length': 100 } });
    request.flushHeaders();
    const [response] = (await once(request, 'response')) as [import('node:http').IncomingMessage];
    expect([response.statusCode, response.headers.connection]).toEqual([401, 'close']);
    request.destroy();
  });

  it('leaves preflights and everything else to the framework', async () => {
    const preflight = await send('/v1/direct/x', undefined, {
      method: 'OPTIONS',
      headers: { origin: 'https://page.example', 'access-control-request-method': 'PUT' },
    });
    expect(preflight.status).toBe(204);
    expect((await send('/v1/nothing', user)).status).toBe(404);
  });
});
