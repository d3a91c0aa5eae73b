import { Controller, Get, Logger, Req, Res } from '@nestjs/common';
import { Permit, Public, type Principal, principalOf } from '@holdfast/platform-auth';
import { currentContext } from '@holdfast/platform-telemetry';
import type { FastifyReply, FastifyRequest } from 'fastify';
import { startTestApp, type TestApp } from './test-app.js';

@Controller('v1/things/:session_id')
class Routes {
  @Permit('VIEW_SESSIONS')
  @Get()
  thing(@Req() request: FastifyRequest): Principal {
    return principalOf(request);
  }

  @Public()
  @Get('stream')
  stream(@Res() reply: FastifyReply): void {
    reply.hijack();
    reply.raw.writeHead(200, { 'content-type': 'text/event-stream' });
    reply.raw.end('data: x\n\n');
  }

  @Public()
  @Get('hangs')
  hangs(@Res() reply: FastifyReply): void {
    reply.hijack();
    reply.raw.writeHead(200).write('never ends');
  }
}

interface Line {
  level: 'info' | 'debug';
  line: Record<string, unknown>;
  context: ReturnType<typeof currentContext>;
}

let test: TestApp;
let lines: Line[];

beforeAll(async () => {
  test = await startTestApp({ controllers: [Routes] });
});
beforeEach(() => {
  lines = [];
  const take = (level: Line['level']) => (line: Line['line']) =>
    void lines.push({ level, line, context: currentContext() });
  jest.spyOn(Logger.prototype, 'log').mockImplementation(take('info'));
  jest.spyOn(Logger.prototype, 'debug').mockImplementation(take('debug'));
});
afterEach(() => jest.restoreAllMocks());
afterAll(() => test.stop());

/** The line is written when the response has closed, which may be after the client has read it. */
async function nextLine(): Promise<Line> {
  while (lines.length === 0) await new Promise((resolve) => setImmediate(resolve));
  return lines.shift()!;
}

describe('the log', () => {
  it('has one line per request: its route, not its URL, with the ids of session, project and key', async () => {
    const key = await test.userKey('VIEW_SESSIONS');
    const headers = { authorization: `Bearer ${key}`, 'x-request-id': 'r1' };
    await (await fetch(`${test.url}/v1/things/s1?token=secret`, { headers })).text();

    const { level, line, context } = await nextLine();
    expect(level).toBe('info');
    expect(line).toEqual({
      event: 'http.request',
      method: 'GET',
      route: '/v1/things/:session_id',
      status: 200,
      is_stream: false,
      is_aborted: false,
      duration_ms: expect.any(Number),
    });
    expect(context).toMatchObject({
      request_id: 'r1',
      session_id: 's1',
      project_id: test.project_id,
      key_id: expect.any(String),
    });
    expect(JSON.stringify([line, context])).not.toMatch(/secret|hf_user/);
    expect(lines).toEqual([]);
  });

  it('has a line for what no route served', async () => {
    await (await fetch(`${test.url}/nowhere`)).text();
    expect(await nextLine()).toMatchObject({ level: 'info', line: { route: 'none', status: 404 } });
  });

  it('keeps event streams at debug', async () => {
    await (await fetch(`${test.url}/v1/things/s1/stream`)).text();
    expect(await nextLine()).toMatchObject({ level: 'debug', line: { status: 200, is_stream: true } });
  });

  it('tells a caller who hung up from one who got all', async () => {
    const abort = new AbortController();
    const response = await fetch(`${test.url}/v1/things/s1/hangs`, { signal: abort.signal });
    await response.body!.getReader().read();
    abort.abort();
    expect(await nextLine()).toMatchObject({ level: 'info', line: { status: 200, is_aborted: true } });
  });

  it('has no line for probes', async () => {
    for (const path of ['/health/live', '/health/ready', '/metrics']) await (await fetch(`${test.url}${path}`)).text();
    await (await fetch(`${test.url}/nowhere`)).text();
    expect(await nextLine()).toMatchObject({ line: { route: 'none' } });
    expect(lines).toEqual([]);
  });
});

describe('/metrics', () => {
  it('counts requests by route template and status, and leaves streams out', async () => {
    for (const id of ['a', 'b']) await (await fetch(`${test.url}/v1/things/${id}`)).text();
    await (await fetch(`${test.url}/v1/things/s1/stream`)).text();
    for (let i = 0; i < 3; i++) await nextLine();

    const response = await fetch(`${test.url}/metrics`);
    expect(response.headers.get('content-type')).toMatch(/^text\/plain; version=0\.0\.4/);
    const exposed = (await response.text()).split('\n');
    const label = 'app="test",method="GET",route="/v1/things/:session_id",status="401"';
    expect(exposed).toContain(`http_request_duration_seconds_count{${label}} 2`);
    expect(exposed).toContain('http_open_responses{app="test"} 0');
    expect(exposed.filter((line) => line.includes('/stream'))).toEqual([]);
  });
});
