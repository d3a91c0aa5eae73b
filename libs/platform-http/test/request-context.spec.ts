import { Controller, Get, Head, HttpCode, Post, Req, Res } from '@nestjs/common';
import { Public } from '@holdfast/platform-auth';
import { currentContext } from '@holdfast/platform-telemetry';
import type { FastifyReply, FastifyRequest } from 'fastify';
import { startTestApp, type TestApp } from './test-app.js';

@Public()
@Controller()
class Routes {
  @Get('context/:session_id')
  context(@Req() request: FastifyRequest) {
    return { ...currentContext(), id: request.id };
  }

  @Post('context/:session_id')
  @HttpCode(200)
  contextAfterBody() {
    return currentContext();
  }

  @Head('both')
  head(@Res({ passthrough: true }) reply: FastifyReply) {
    void reply.header('x-head', 'own');
  }

  @Get('both')
  both() {
    return { ok: true };
  }
}

let test: TestApp;
beforeAll(async () => {
  test = await startTestApp({ controllers: [Routes] });
});
afterAll(() => test.stop());

async function call(path: string, init: RequestInit = {}) {
  const response = await fetch(`${test.url}${path}`, init);
  const text = await response.text();
  return { status: response.status, headers: response.headers, body: text ? JSON.parse(text) : undefined };
}

const post = (path: string, body: string, id: string) =>
  call(path, { method: 'POST', body, headers: { 'content-type': 'application/json', 'x-request-id': id } });

describe('a route', () => {
  it('may name a session of 128 characters, each percent-encoded', async () => {
    const id = '%2D'.repeat(128);
    expect((await call(`/context/${id}`)).body.session_id).toBe('-'.repeat(128));
  });

  it('gets HEAD from GET, or from a handler of its own', async () => {
    const head = await fetch(`${test.url}/context/s1`, { method: 'HEAD' });
    expect([head.status, await head.text()]).toEqual([200, '']);
    expect((await fetch(`${test.url}/both`, { method: 'HEAD' })).headers.get('x-head')).toBe('own');
    expect((await call('/both')).body).toEqual({ ok: true });
  });
});

describe('the request context', () => {
  const traceId = '4bf92f3577b34da6a3ce929d0e0e4736';

  it("takes over the caller's request id and trace, and the session of the path", async () => {
    const headers = { 'x-request-id': 'abc.DEF-1_2~3', traceparent: `00-${traceId}-00f067aa0ba902b7-01` };
    const { headers: answer, body } = await call('/context/s1', { headers });
    expect(body).toEqual({
      id: 'abc.DEF-1_2~3',
      request_id: 'abc.DEF-1_2~3',
      session_id: 's1',
      traceparent: expect.stringMatching(`^00-${traceId}-(?!00f067aa0ba902b7)[0-9a-f]{16}-01$`),
    });
    expect(answer.get('x-request-id')).toBe('abc.DEF-1_2~3');
  });

  it.each(['has space', 'x'.repeat(129), 'evil"quote', 'a/b'])('makes an id of its own instead of %j', async (id) => {
    const { headers, body } = await call('/context/s1', { headers: { 'x-request-id': id } });
    expect(body.id).toMatch(/^[\w-]{12}-[0-9a-z]+$/);
    expect(headers.get('x-request-id')).toBe(body.id);
  });

  it('is still there when the handler runs after a body was read', async () => {
    const answers = await Promise.all(
      ['a', 'b', 'c'].map((id) => post(`/context/${id}`, JSON.stringify('x'.repeat(500)), id)),
    );
    expect(answers.map(({ body }) => [body.request_id, body.session_id])).toEqual([
      ['a', 'a'],
      ['b', 'b'],
      ['c', 'c'],
    ]);
  });
});
