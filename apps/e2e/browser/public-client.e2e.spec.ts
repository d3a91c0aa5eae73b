import { randomUUID } from 'node:crypto';
import type { Page } from 'playwright-core';
import { expectPrograms } from '../public-client/expectations.js';
import { startStack, type Stack } from '../test/stack.js';
import { startChromium } from './chromium.js';
import { startPageServer } from './page-server.js';

interface PageRequest {
  path: string;
  method?: string;
  headers?: Record<string, string>;
  body?: string;
}

// The page comes from another origin than the api: whatever it asks for must pass the browser's CORS checks.
describe('the public client in a web page of another origin', () => {
  const undo: (() => Promise<void>)[] = [];
  let stack: Stack;
  let page: Page;
  beforeAll(async () => {
    stack = await startStack({ runner: false });
    undo.push(stack.stop);
    const server = await startPageServer();
    undo.push(server.stop);
    const browser = await startChromium();
    undo.push(browser.stop);
    page = await browser.newPage();
    await page.goto(server.url);
    expect(new URL(page.url()).origin).not.toBe(new URL(stack.url).origin);
  }, 60_000);
  afterAll(async () => {
    for (const step of undo.reverse()) await step();
  }, 30_000);

  expectPrograms((name, live) =>
    page.evaluate(async ({ name, access, live }): Promise<unknown> => window.programs[name](access, live), {
      name,
      access: { url: stack.url, apiKey: stack.keys.api_key },
      live,
    }),
  );

  const newPath = () => `/v1/stream/pages/${randomUUID()}`;
  /** What a program of the page sees of an answer: only the headers that the api exposes to other origins. */
  const send = ({ path, method = 'GET', headers, body }: PageRequest) =>
    page.evaluate(
      async ({ url, ...init }) => {
        const response = await fetch(url, { ...init, cache: 'no-store' });
        const seen = { status: response.status, headers: Object.fromEntries(response.headers) };
        await response.body?.cancel();
        return seen;
      },
      {
        url: stack.url + path,
        method,
        body,
        headers: { Authorization: `Bearer ${stack.keys.api_key}`, 'Content-Type': 'application/json', ...headers },
      },
    );

  it('may read the headers of reads and writes', async () => {
    const path = newPath();
    const created = await send({ path, method: 'PUT' });
    expect(created.status).toBe(201);
    expect(created.headers).toMatchObject({ location: stack.url + path, 'stream-next-offset': expect.any(String) });

    const read = await send({ path: `${path}?offset=-1` });
    expect(read.status).toBe(200);
    expect(read.headers).toMatchObject({
      etag: expect.any(String),
      'stream-next-offset': created.headers['stream-next-offset'],
      'stream-up-to-date': 'true',
    });

    const closed = await send({ path, method: 'POST', headers: { 'Stream-Closed': 'true' } });
    expect(closed.headers).toMatchObject({ 'stream-closed': 'true' });
    const end = await send({ path: `${path}?offset=${created.headers['stream-next-offset']}&live=long-poll` });
    expect(end.status).toBe(204);
    expect(end.headers).toMatchObject({ 'stream-closed': 'true', 'stream-up-to-date': 'true' });
  });

  it('may send If-None-Match and read a 304', async () => {
    const path = newPath();
    await send({ path, method: 'PUT', body: '[1]' });
    const { headers } = await send({ path: `${path}?offset=-1` });
    const again = await send({ path: `${path}?offset=-1`, headers: { 'If-None-Match': headers['etag']! } });
    expect(again.status).toBe(304);
  });

  it('may read what a producer needs to know', async () => {
    const path = newPath();
    await send({ path, method: 'PUT' });
    const produce = (epoch: number, seq: number) =>
      send({
        path,
        method: 'POST',
        headers: { 'Producer-Id': 'p', 'Producer-Epoch': String(epoch), 'Producer-Seq': String(seq) },
        body: '1',
      });
    expect(await produce(3, 0)).toMatchObject({ status: 200, headers: { 'producer-epoch': '3', 'producer-seq': '0' } });
    expect(await produce(3, 5)).toMatchObject({
      status: 409,
      headers: { 'producer-expected-seq': '1', 'producer-received-seq': '5' },
    });
    expect(await produce(2, 0)).toMatchObject({ status: 403, headers: { 'producer-epoch': '3' } });
  });

  it('may read how an SSE stream of bytes is encoded', async () => {
    const path = newPath();
    await send({ path, method: 'PUT', headers: { 'Content-Type': 'application/octet-stream' } });
    const { headers } = await send({ path: `${path}?offset=-1&live=sse` });
    expect(headers).toMatchObject({ 'stream-sse-data-encoding': 'base64' });
  });

  it('may read why it is refused', async () => {
    const refused = await send({ path: newPath(), headers: { Authorization: 'Bearer wrong' } });
    expect(refused.status).toBe(401);
    expect((await send({ path: newPath() })).status).toBe(404);
  });
});
