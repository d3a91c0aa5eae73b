import { once } from 'node:events';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';

/** The two empty blocks of a tar, and the last byte of what is before. */
const ARCHIVE_END = 1024 + 1;

/** An api that answers GET as another one does, but of content it gives all except the end, and then waits. */
export async function startSlowContent(apiUrl: string) {
  const server = createServer((request, response) => {
    void (async () => {
      const { authorization = '' } = request.headers;
      const answer = await fetch(`${apiUrl}${request.url}`, { headers: { authorization } });
      const body = Buffer.from(await answer.arrayBuffer());
      const isContent = request.url!.includes('/content');
      response.writeHead(answer.status, {
        'content-type': answer.headers.get('content-type') ?? '',
        'content-length': body.length,
      });
      if (isContent) response.write(body.subarray(0, body.length - ARCHIVE_END));
      else response.end(body);
    })();
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    async stop() {
      server.closeAllConnections();
      server.close();
      await once(server, 'close');
    },
  };
}
