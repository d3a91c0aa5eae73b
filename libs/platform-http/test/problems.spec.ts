import { connect } from 'node:net';
import { Controller, Get, Logger, Param, Res } from '@nestjs/common';
import { Permit, Public } from '@holdfast/platform-auth';
import { defineError, type ErrorKind } from '@holdfast/platform-errors';
import type { FastifyReply } from 'fastify';
import { startTestApp, type TestApp } from './test-app.js';

const failure = (kind: ErrorKind) =>
  defineError({
    code: `is_${kind.replaceAll('-', '_')}`,
    kind,
    title: kind,
    detail: () => 'Told.',
    members: () => ({ extra: 1 }),
  })();

@Public()
@Controller()
class Routes {
  @Get('fails/:kind')
  fail(@Param('kind') kind: string, @Res({ passthrough: true }) reply: FastifyReply) {
    void reply.header('x-of-the-handler', 'kept');
    if (kind === 'unexpectedly') throw new Error('password is hunter2', { cause: new Error('host db-7') });
    if (kind === 'with-null') throw null;
    throw failure(kind as ErrorKind);
  }

  @Permit('VIEW_SESSIONS')
  @Get('guarded')
  guarded() {
    return { ok: true };
  }
}

let test: TestApp;
let errors: jest.SpyInstance;

beforeAll(async () => {
  test = await startTestApp({ controllers: [Routes] });
});
beforeEach(() => {
  errors = jest.spyOn(Logger.prototype, 'error').mockImplementation(() => undefined);
});
afterEach(() => jest.restoreAllMocks());
afterAll(() => test.stop());

async function call(path: string, init: RequestInit = {}) {
  const response = await fetch(`${test.url}${path}`, init);
  const text = await response.text();
  return { status: response.status, headers: response.headers, body: text ? JSON.parse(text) : undefined };
}

/** For requests that no HTTP client would send. */
function raw(request: string): Promise<string> {
  return new Promise((resolve, reject) => {
    let answer = '';
    const { hostname, port } = new URL(test.url);
    const socket = connect(Number(port), hostname, () => socket.end(request));
    socket.on('data', (chunk: Buffer) => (answer += chunk.toString()));
    socket.on('error', reject);
    socket.on('close', () => resolve(answer));
  });
}

describe('an error', () => {
  it.each([
    ['invalid', 400],
    ['unauthenticated', 401],
    ['forbidden', 403],
    ['not-found', 404],
    ['conflict', 409],
    ['gone', 410],
    ['precondition-failed', 412],
    ['too-large', 413],
    ['unsupported', 415],
    ['unprocessable', 422],
    ['rate-limited', 429],
    ['unavailable', 503],
  ] as [ErrorKind, number][])('of kind %s is problem details with status %i', async (kind, status) => {
    const response = await call(`/fails/${kind}`, { headers: { 'x-request-id': 'my-request' } });
    const code = `is_${kind.replaceAll('-', '_')}`;
    expect(response.status).toBe(status);
    expect(response.headers.get('content-type')).toMatch(/^application\/problem\+json\b/);
    expect(response.body).toEqual({
      type: `urn:holdfast:problem:${code}`,
      title: kind,
      status,
      detail: 'Told.',
      instance: 'my-request',
      code,
      extra: 1,
    });
    expect(errors).not.toHaveBeenCalled();
  });

  it('that nobody expected says nothing of its cause, and is logged once', async () => {
    const { status, headers, body } = await call('/fails/unexpectedly');
    expect(status).toBe(500);
    expect(body).toEqual({
      type: 'urn:holdfast:problem:internal',
      title: 'Internal error',
      status: 500,
      detail: expect.any(String),
      instance: headers.get('x-request-id'),
      code: 'internal',
    });
    expect(JSON.stringify(body)).not.toMatch(/hunter2|db-7/);
    expect(errors).toHaveBeenCalledTimes(1);
    expect(errors).toHaveBeenCalledWith({
      event: 'http.request_failed',
      err: expect.objectContaining({ message: 'password is hunter2' }),
    });
  });

  it('may even be null', async () => {
    expect(await call('/fails/with-null')).toMatchObject({ status: 500, body: { code: 'internal' } });
  });

  it('of a missing key names the scheme to authenticate with', async () => {
    const { status, headers, body } = await call('/guarded');
    expect([status, headers.get('www-authenticate'), body.code]).toEqual([401, 'Bearer', 'unauthenticated']);
  });

  it('keeps the headers that its handler had set', async () => {
    expect((await call('/fails/conflict')).headers.get('x-of-the-handler')).toBe('kept');
  });
});

describe('a request that reaches no handler', () => {
  it('for an unknown path is told so, with the headers of any answer', async () => {
    const { status, headers, body } = await call('/nowhere?x=1', { headers: { 'x-request-id': 'lost-1' } });
    expect([status, body.code, body.instance]).toEqual([404, 'route_not_found', 'lost-1']);
    expect(headers.get('content-type')).toMatch(/^application\/problem\+json\b/);
    expect(headers.get('x-content-type-options')).toBe('nosniff');
    expect(headers.get('x-request-id')).toBe('lost-1');
  });

  it('by the wrong method is told the right ones', async () => {
    const { status, headers, body } = await call('/fails/conflict', { method: 'DELETE' });
    expect([status, body.code, headers.get('allow')]).toEqual([405, 'method_not_allowed', 'GET, HEAD']);
  });

  it.each([
    ['/fails/%zz', 400, 'request_malformed'],
    [`/fails/${'x'.repeat(1_025)}`, 414, 'url_too_long'],
  ])('to %s is refused by the router in our words', async (path, status, code) => {
    const answer = await raw(`GET ${path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n`);
    expect(answer).toMatch(new RegExp(`^HTTP/1.1 ${status} `));
    expect(answer).toMatch(/content-type: application\/problem\+json/i);
    expect(answer).toMatch(/x-content-type-options: nosniff/i);
    expect(answer).toContain(`"code":"${code}"`);
  });

  it.each([
    ['no HTTP', 'nonsense\r\n\r\n'],
    ['headers without end', `GET / HTTP/1.1\r\nHost: x\r\nX: ${'x'.repeat(20_000)}\r\n\r\n`],
  ])('that is %s is refused by the parser in our words', async (_, request) => {
    const answer = await raw(request);
    expect(answer).toMatch(/^HTTP\/1.1 400 Bad Request\r\ncontent-type: application\/problem\+json\r\n/);
    expect(JSON.parse(answer.split('\r\n\r\n')[1]!)).toMatchObject({ code: 'request_malformed', status: 400 });
  });
});
