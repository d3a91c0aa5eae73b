import { Controller, Get, Logger, Req, Res } from '@nestjs/common';
import { Permit } from '@holdfast/platform-auth';
import { currentContext } from '@holdfast/platform-telemetry';
import type { FastifyReply, FastifyRequest } from 'fastify';
import { startTestApp, type TestApp } from './test-app.js';

/** A handler that writes its answer itself. */
@Controller('v1/stream/sessions/:session_id/events')
class LogRoutes {
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

let test: TestApp;
let user: string;

beforeAll(async () => {
  test = await startTestApp({ controllers: [LogRoutes] });
  user = await test.userKey('VIEW_SESSIONS');
});
afterEach(() => jest.restoreAllMocks());
afterAll(() => test.stop());

const LOG = '/v1/stream/sessions/s1/events';

const read = (query = '') => fetch(`${test.url}${LOG}${query}`, { headers: { authorization: `Bearer ${user}` } });

describe('a reply that its handler takes over', () => {
  it('carries the headers of any answer, and those that the handler chose', async () => {
    const { status, headers } = await read();
    expect(status).toBe(200);
    expect(headers.get('x-content-type-options')).toBe('nosniff');
    expect(headers.get('x-request-id')).toMatch(/^[\w-]{10,}$/);
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
