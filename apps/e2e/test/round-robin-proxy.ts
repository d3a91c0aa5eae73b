import { createServer, request, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { pipeline } from 'node:stream';

/** A load balancer of the simplest kind. */
export interface RoundRobinProxy {
  url: string;
  /** Cuts what is under way. */
  close(): Promise<void>;
}

/**
 * Listens on a free port of 127.0.0.1 and gives each request to the next of `upstreams` (URLs without a path), whatever
 * its connection. Bodies stream both ways; `Host` is passed on as the client sent it. A client that leaves ends its
 * request upstream, an upstream that dies half way cuts its client off, and one that cannot be reached is a 502.
 */
export async function startRoundRobinProxy(upstreams: string[]): Promise<RoundRobinProxy> {
  const targets = upstreams.map((upstream) => new URL(upstream));
  let turn = 0;
  const server = createServer((req, res) => forward(req, res, targets[turn++ % targets.length]!));
  // A connection closed for idleness at the moment of its next request would fail a test.
  server.keepAliveTimeout = 0;
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const { port } = server.address() as AddressInfo;
  return {
    url: `http://127.0.0.1:${port}`,
    close: () =>
      new Promise((resolve) => {
        server.close(() => resolve());
        server.closeAllConnections();
      }),
  };
}

function forward(req: IncomingMessage, res: ServerResponse, { hostname, port }: URL): void {
  const { method, url: path } = req;
  const headers = endToEnd(req.rawHeaders);
  const outgoing = request({ hostname, port, method, path, headers, agent: false });
  outgoing.once('response', (incoming) => {
    res.writeHead(incoming.statusCode!, incoming.statusMessage, endToEnd(incoming.rawHeaders));
    // The first event of a live stream may come much later.
    res.flushHeaders();
    // Its error is the upstream's end, which destroys `res`.
    pipeline(incoming, res, () => undefined);
  });
  outgoing.on('error', ({ message }) => {
    if (!res.headersSent && !res.destroyed) res.writeHead(502, { 'Content-Type': 'text/plain' }).end(message);
  });
  res.once('close', () => outgoing.destroy());
  req.pipe(outgoing);
}

/** Header lines (name, value, name, …) without those that are about one connection (RFC 9110, section 7.6.1). */
function endToEnd(rawHeaders: string[]): string[] {
  const isOfConnection = (name: string) => /^(connection|keep-alive)$/i.test(name);
  return rawHeaders.filter((_, index) => !isOfConnection(rawHeaders[index - (index % 2)]!));
}
