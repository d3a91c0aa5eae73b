import { once } from 'node:events';
import { createServer, request, type IncomingMessage, type RequestListener, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { text } from 'node:stream/consumers';
import { freePort } from '@holdfast/platform-embedded';
import { startRoundRobinProxy } from './round-robin-proxy.js';

describe('the round-robin proxy', () => {
  const closing: (() => void)[] = [];
  afterEach(() => {
    for (const close of closing.splice(0)) close();
  });

  const upstream = async (answer: RequestListener) => {
    const server = createServer(answer).listen(0, '127.0.0.1');
    await once(server, 'listening');
    closing.push(() => server.close().closeAllConnections());
    return `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  };
  const proxyTo = async (...upstreams: string[]) => {
    const proxy = await startRoundRobinProxy(upstreams);
    closing.push(() => void proxy.close());
    return proxy.url;
  };
  /** An upstream whose one exchange the test holds in its hands. */
  const heldUpstream = async () => {
    let take: (exchange: { req: IncomingMessage; res: ServerResponse }) => void;
    const exchange = new Promise<{ req: IncomingMessage; res: ServerResponse }>((resolve) => (take = resolve));
    return { url: await upstream((req, res) => take({ req, res })), exchange };
  };

  it('gives each request to the next upstream, on one connection too', async () => {
    const first = await upstream((_, res) => res.end('first'));
    const second = await upstream((_, res) => res.end('second'));
    const url = await proxyTo(first, second);
    const answers: string[] = [];
    for (let n = 0; n < 4; n++) answers.push(await (await fetch(url)).text());
    expect(answers).toEqual(['first', 'second', 'first', 'second']);
  });

  it('passes on method, path, Host, body, status and headers as they came', async () => {
    const echo = await upstream(async (req, res) => {
      const { method, url, headers } = req;
      const seen = { method, url, host: headers.host, type: headers['content-type'], body: await text(req) };
      res.writeHead(
        418,
        [
          ['X-Twice', 'a'],
          ['X-Twice', 'b'],
          ['Content-Type', 'application/json'],
        ].flat(),
      );
      res.end(JSON.stringify(seen));
    });
    const url = await proxyTo(echo);
    const response = await fetch(`${url}/a%20b?c=%2F`, {
      method: 'PUT',
      headers: { 'Content-Type': 'text/x-odd' },
      body: 'words',
    });
    expect(response.status).toBe(418);
    expect(response.headers.get('x-twice')).toBe('a, b');
    expect(await response.json()).toEqual({
      method: 'PUT',
      url: '/a%20b?c=%2F',
      host: new URL(url).host,
      type: 'text/x-odd',
      body: 'words',
    });
  });

  it.each(['HEAD', 'DELETE', 'OPTIONS'])('passes on %s without a body', async (method) => {
    const url = await proxyTo(await upstream((req, res) => res.writeHead(204, { 'X-Method': req.method }).end()));
    const response = await fetch(url, { method });
    expect([response.status, response.headers.get('x-method')]).toEqual([204, method]);
  });

  it('gives what has come of an answer while the rest is still to come', async () => {
    const { url, exchange } = await heldUpstream();
    const answering = fetch(await proxyTo(url));
    const { res } = await exchange;
    res.writeHead(200, { 'Content-Type': 'text/event-stream' }).flushHeaders();
    const reader = (await answering).body!.pipeThrough(new TextDecoderStream()).getReader();
    for (const event of ['data: 1\n\n', 'data: 2\n\n']) {
      res.write(event);
      expect(await reader.read()).toEqual({ done: false, value: event });
    }
    res.end();
    expect((await reader.read()).done).toBe(true);
  });

  it('gives what has come of a request while the rest is still to come', async () => {
    const { url, exchange } = await heldUpstream();
    const outgoing = request(await proxyTo(url), { method: 'POST' });
    outgoing.write('one');
    const { req, res } = await exchange;
    expect(String((await once(req, 'data'))[0])).toBe('one');
    outgoing.end('two');
    expect(String((await once(req, 'data'))[0])).toBe('two');
    res.end('thanks');
    const [incoming] = (await once(outgoing, 'response')) as [IncomingMessage];
    expect(await text(incoming)).toBe('thanks');
  });

  it('ends the request upstream when the client leaves', async () => {
    const { url, exchange } = await heldUpstream();
    const client = new AbortController();
    const answering = fetch(await proxyTo(url), { signal: client.signal });
    const { res } = await exchange;
    const left = once(res, 'close');
    client.abort();
    await expect(answering).rejects.toThrow('aborted');
    await left;
  });

  it('cuts the client off when the upstream dies half way', async () => {
    const { url, exchange } = await heldUpstream();
    const answering = fetch(await proxyTo(url));
    const { res } = await exchange;
    res.write('half');
    const response = await answering;
    res.destroy();
    await expect(response.text()).rejects.toThrow('terminated');
  });

  it('says 502 when the upstream cannot be reached', async () => {
    const response = await fetch(await proxyTo(`http://127.0.0.1:${await freePort()}`));
    expect(response.status).toBe(502);
    expect(await response.text()).toContain('ECONNREFUSED');
  });
});
