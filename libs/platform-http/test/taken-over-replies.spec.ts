import { randomBytes } from 'node:crypto';
import { Controller, Get, HttpCode, Logger, Param, Post, Req, Res } from '@nestjs/common';
import { Permit, RunnerOnly, principalOf } from '@holdfast/platform-auth';
import { currentContext } from '@holdfast/platform-telemetry';
import type { FastifyReply, FastifyRequest } from 'fastify';
import { RAW_BODY_LIMIT_BYTES } from '../src/index.js';
import { startTestApp, type TestApp } from './test-app.js';

/** How the log's routes are written: the raw request in, the raw response out. */
@Controller('v1/stream/sessions/:session_id/events')
class LogRoutes {
  @RunnerOnly()
  @Post()
  @HttpCode(200)
  append(@Req() request: FastifyRequest, @Res() reply: FastifyReply): void {
    const body = request.body as Buffer;
    void reply.send({
      is_buffer: Buffer.isBuffer(body),
      text: body.length < 100 ? body.toString() : undefined,
      bytes: body.length,
      project_id: principalOf(request).project_id,
    });
  }

  @Permit('VIEW_SESSIONS')
  @Get()
  read(@Req() request: FastifyRequest, @Res() reply: FastifyReply): void {
    const { offset } = request.query as { offset?: string };
    reply.hijack();
    if (offset === 'fail-first') throw new Error('before the headers');
    reply.raw.writeHead(200, { 'content-type': 'text/event-stream', 'cache-control': 'no-cache' });
    reply.raw.write(`data: ${currentContext()!.session_id}\n\n`);
    if (offset === 'fail-later') throw new Error('after the headers');
    reply.raw.end('data: end\n\n');
  }
}

@Controller('v1/ordinary')
class OrdinaryRoutes {
  @RunnerOnly()
  @Post(':id')
  ordinary(@Param('id') id: string) {
    return { id };
  }
}

let test: TestApp;
let user: string;
let runner: string;

beforeAll(async () => {
  test = await startTestApp({ controllers: [LogRoutes, OrdinaryRoutes] });
  user = await test.userKey('VIEW_SESSIONS');
  runner = await test.runnerKey();
});
afterEach(() => jest.restoreAllMocks());
afterAll(() => test.stop());

const LOG = '/v1/stream/sessions/s1/events';

const append = (body: string | Buffer, { key = runner, type = 'application/json', path = LOG } = {}) =>
  fetch(`${test.url}${path}`, {
    method: 'POST',
    body: body as BodyInit,
    headers: { authorization: `Bearer ${key}`, 'content-type': type },
  });
const read = (query = '') => fetch(`${test.url}${LOG}${query}`, { headers: { authorization: `Bearer ${user}` } });

describe('a body of a route below /v1/stream/', () => {
  it.each(['[{"type":"a"}]', 'not JSON at all', '', '{"__proto__":{}}'])(
    'arrives as the bytes that were sent: %j',
    async (text) => {
      const answer = await append(text);
      expect(answer.status).toBe(200);
      expect(await answer.json()).toEqual({
        is_buffer: true,
        text,
        bytes: text.length,
        project_id: test.project_id,
      });
    },
  );

  it('may be of any type', async () => {
    const answer = await append('abc', { type: 'application/octet-stream' });
    expect(await answer.json()).toMatchObject({ is_buffer: true, text: 'abc' });
  });

  it('may have 16 MiB, where others have 1 KiB here', async () => {
    const answer = await append(randomBytes(RAW_BODY_LIMIT_BYTES));
    expect(await answer.json()).toMatchObject({ bytes: RAW_BODY_LIMIT_BYTES });

    const tooLarge = await append(Buffer.alloc(RAW_BODY_LIMIT_BYTES + 1));
    expect(tooLarge.status).toBe(413);
    expect(await tooLarge.json()).toMatchObject({ code: 'body_too_large', limit_bytes: RAW_BODY_LIMIT_BYTES });

    const ordinary = await append(JSON.stringify('x'.repeat(2_000)), { path: '/v1/ordinary/a' });
    expect(await ordinary.json()).toMatchObject({ code: 'body_too_large', limit_bytes: 1_024 });
  });

  it('arrives raw also when its path is percent-encoded', async () => {
    const answer = await append('{}', { path: '/v1/%73tream/sessions/s1/events' });
    expect(await answer.json()).toMatchObject({ is_buffer: true });
  });

  it('is not read for a stranger', async () => {
    const chunks = jest.fn();
    const body = new ReadableStream({
      pull: (controller) => {
        chunks();
        controller.enqueue(Buffer.alloc(65_536));
        if (chunks.mock.calls.length === 200) controller.close();
      },
    });
    const answer = await fetch(`${test.url}${LOG}`, { method: 'POST', body, duplex: 'half' } as RequestInit);
    expect(answer.status).toBe(401);
    expect(await answer.json()).toMatchObject({ code: 'unauthenticated' });
    expect(chunks.mock.calls.length).toBeLessThan(200);
  });
});

describe('a reply that its handler takes over', () => {
  it('carries the headers of any answer, and those that the handler chose', async () => {
    const { status, headers } = await read();
    expect(status).toBe(200);
    expect(headers.get('x-content-type-options')).toBe('nosniff');
    expect(headers.get('x-request-id')).toMatch(/^[0-9a-f-]{36}$/);
    expect(headers.get('cache-control')).toBe('no-cache');
    expect(headers.get('content-type')).toBe('text/event-stream');
  });

  it('is written inside the request context', async () => {
    expect(await (await read()).text()).toBe('data: s1\n\ndata: end\n\n');
  });

  it('becomes a problem when the handler fails before it wrote headers', async () => {
    const errors = jest.spyOn(Logger.prototype, 'error').mockImplementation(() => undefined);
    const answer = await read('?offset=fail-first');
    expect(answer.status).toBe(500);
    expect(answer.headers.get('content-type')).toBe('application/problem+json');
    expect(await answer.json()).toMatchObject({ code: 'internal' });
    expect(errors).toHaveBeenCalledTimes(1);
  });

  it('is cut when the handler fails later, so that nobody takes it for complete', async () => {
    const errors = jest.spyOn(Logger.prototype, 'error').mockImplementation(() => undefined);
    const text = read('?offset=fail-later').then((response) => response.text());
    await expect(text).rejects.toThrow();
    expect(errors).toHaveBeenCalledTimes(1);
  });
});
