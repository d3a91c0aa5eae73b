import { once } from 'node:events';
import { createServer, type RequestListener } from 'node:http';
import { createServer as createTcpServer, type AddressInfo } from 'node:net';
import { WebhookClient, WebhookDeadlinePassed } from './webhook-client.js';

describe('a webhook call', () => {
  const client = new WebhookClient({ cacheBytes: 0, allowLoopbackWebhooks: true });

  async function served<T>(listener: RequestListener, use: (url: string) => Promise<T>): Promise<T> {
    const server = createServer(listener);
    server.listen(0, '127.0.0.1');
    await once(server, 'listening');
    try {
      return await use(`http://localhost:${(server.address() as AddressInfo).port}/in`);
    } finally {
      server.closeAllConnections();
      server.close();
    }
  }

  const post = (url: string) => client.post(url, { 'x-test': '1' }, Buffer.from('{}'));

  it('gives status and body', async () => {
    const answer = await served(
      (request, response) => response.writeHead(202).end(`${request.method} ${request.headers['x-test'] as string}`),
      post,
    );
    expect(answer).toEqual({ status: 202, body: 'POST 1' });
  });

  it('reads no more than 16 KiB of an answer, and hangs up', async () => {
    let hungUp: Promise<unknown> | undefined;
    const answer = await served(
      (_request, response) => {
        hungUp = once(response, 'close');
        const writeOn = () => {
          while (!response.destroyed && response.write('.'.repeat(8 * 1024)));
        };
        response.on('drain', writeOn);
        writeOn();
      },
      async (url) => {
        const result = await post(url);
        await hungUp;
        return result;
      },
    );
    expect(answer).toEqual({ status: 200, body: undefined });
  });

  it.each<[string, RequestListener]>([
    ['at all', () => undefined],
    ['to the end', (_request, response) => response.write('{"done":')],
  ])('is given up when the receiver does not answer %s', async (_, listener) => {
    const deadline = new AbortController();
    const timeout = jest.spyOn(AbortSignal, 'timeout').mockReturnValueOnce(deadline.signal);
    await served(
      (request, response) => {
        listener(request, response);
        setImmediate(() => deadline.abort());
      },
      async (url) => expect(post(url)).rejects.toThrow(WebhookDeadlinePassed),
    );
    expect(timeout).toHaveBeenCalledWith(10_000);
    timeout.mockRestore();
  });

  it('does not follow a redirect (S8)', async () => {
    let requests = 0;
    const answer = await served((request, response) => {
      requests += 1;
      response.writeHead(302, { location: request.url === '/in' ? '/elsewhere' : '/in' }).end();
    }, post);
    expect(answer.status).toBe(302);
    expect(requests).toBe(1);
  });

  it('is refused without the configuration for this machine (S8)', async () => {
    const strict = new WebhookClient({ cacheBytes: 0, allowLoopbackWebhooks: false });
    await expect(strict.post('http://localhost:1/', {}, Buffer.alloc(0))).rejects.toMatchObject({
      code: 'webhook_url_rejected',
    });
  });

  it('fails when the receiver is no web server', async () => {
    const server = createTcpServer((socket) => socket.end('what?\n'));
    server.listen(0, '127.0.0.1');
    await once(server, 'listening');
    await expect(post(`http://127.0.0.1:${(server.address() as AddressInfo).port}/`)).rejects.toMatchObject({
      code: expect.stringMatching(/^HPE_/) as string,
    });
    server.close();
  });
});
