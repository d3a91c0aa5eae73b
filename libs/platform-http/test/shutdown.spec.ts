import { once } from 'node:events';
import { Agent, request as httpRequest, type IncomingMessage, type Server } from 'node:http';
import { createConnection } from 'node:net';
import { Controller, Get, Injectable, Res } from '@nestjs/common';
import { Public } from '@holdfast/platform-auth';
import type { FastifyReply } from 'fastify';
import { Draining, type HealthCheck } from '../src/index.js';
import { startTestApp, type TestApp } from './test-app.js';

let isDatabaseUp = true;

@Injectable()
class DatabaseHealth implements HealthCheck {
  readonly name = 'database';
  readonly isVital = true;
  async check(): Promise<void> {
    if (!isDatabaseUp) throw new Error('connect ECONNREFUSED 10.0.0.7:5432');
  }
}

/** Calls waiting for the test to let them go on. */
const held: (() => void)[] = [];

@Public()
@Controller()
class Routes {
  constructor(private readonly draining: Draining) {}

  @Get('stream')
  stream(@Res() reply: FastifyReply): void {
    reply.hijack();
    reply.raw.writeHead(200, { 'content-type': 'text/event-stream' });
    reply.raw.write('data: hello\n\n');
    const release = this.draining.add(() => reply.raw.end('data: bye\n\n'));
    reply.raw.once('close', release);
  }

  @Get('slow')
  async slow() {
    await new Promise<void>((resolve) => held.push(resolve));
    return { ok: true };
  }
}

let test: TestApp;
let agent: Agent;
beforeEach(async () => {
  isDatabaseUp = true;
  held.length = 0;
  agent = new Agent({ keepAlive: true });
  test = await startTestApp({ controllers: [Routes], healthChecks: [DatabaseHealth] });
});
afterEach(async () => {
  agent.destroy();
  await test.stop();
});

async function open(path: string): Promise<IncomingMessage> {
  const [response] = (await once(httpRequest(`${test.url}${path}`, { agent }).end(), 'response')) as [IncomingMessage];
  return response.setEncoding('utf8');
}

async function text(response: IncomingMessage): Promise<string> {
  let all = '';
  for await (const chunk of response) all += chunk as string;
  return all;
}

const until = async (condition: () => boolean) => {
  while (!condition()) await new Promise((resolve) => setImmediate(resolve));
};
const ready = async () => {
  const response = await fetch(`${test.url}/health/ready`, { headers: { connection: 'close' } });
  return { status: response.status, body: await response.json() };
};

describe('readiness', () => {
  it('is given while all that the app depends on answers', async () => {
    expect(await ready()).toEqual({ status: 200, body: { status: 'ok', checks: { database: 'up' } } });
  });

  it('is withdrawn when something does not, without telling the world where it is', async () => {
    isDatabaseUp = false;
    const { status, body } = await ready();
    expect(status).toBe(503);
    expect(body).toMatchObject({ code: 'not_ready', checks: { database: 'down' } });
    expect(JSON.stringify(body)).not.toContain('10.0.0.7');
    expect((await fetch(`${test.url}/health/live`)).status).toBe(200);
  });
});

describe('shutdown', () => {
  it('ends open streams in their own words, and does not wait for kept-alive connections', async () => {
    const stream = await open('/stream');
    await once(stream, 'readable');
    const idle = await open('/health/live');
    await text(idle);

    const begin = performance.now();
    const [all] = await Promise.all([text(stream), test.app.close()]);
    expect(all).toBe('data: hello\n\ndata: bye\n\n');
    expect(performance.now() - begin).toBeLessThan(2_000);
  });

  it('does not wait for a connection that never sent a request', async () => {
    const socket = createConnection(Number(new URL(test.url).port), '127.0.0.1');
    await once(socket, 'connect');
    await (await fetch(`${test.url}/health/live`)).text();

    const begin = performance.now();
    await Promise.all([once(socket, 'close'), test.app.close()]);
    expect(performance.now() - begin).toBeLessThan(2_000);
  });

  it('lets requests that are at work finish, and is not ready meanwhile', async () => {
    const slow = open('/slow');
    await until(() => held.length === 1);
    test.app.get(Draining).onModuleDestroy();
    expect(await ready()).toMatchObject({ status: 503, body: { code: 'not_ready', checks: { process: 'draining' } } });

    const closed = test.app.close();
    await until(() => !(test.app.getHttpServer() as Server).listening);
    const begin = performance.now();
    held[0]!();
    const response = await slow;
    expect([response.statusCode, await text(response)]).toEqual([200, '{"ok":true}']);
    await closed;
    expect(performance.now() - begin).toBeLessThan(2_000);
  });

  it('ends a stream at once that begins while draining', async () => {
    test.app.get(Draining).onModuleDestroy();
    expect(await text(await open('/stream'))).toBe('data: hello\n\ndata: bye\n\n');
  });

  it('forgets streams that are over', async () => {
    const draining = test.app.get(Draining);
    const stream = await open('/stream');
    await until(() => draining.openCount === 1);
    stream.destroy();
    await until(() => draining.openCount === 0);
  });
});
