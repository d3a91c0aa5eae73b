import { Agent, createServer, request } from 'node:http';
import { Transform } from 'node:stream';

const OF_ONE_CONNECTION = /^(connection|keep-alive|transfer-encoding)$/i;

/**
 * A balancer on a free port of 127.0.0.1 that gives each request to the next api that is well. A client that leaves ends
 * its request, an api that dies half way cuts its client off, and where none can be reached the answer is 502.
 *
 * `apis.next()` gives where to; `gate.passing()` resolves as soon as anything may pass, in either direction;
 * `onAppend({ path, epoch, seq, body })` hears of every append to a log that was answered with success.
 */
export async function startForwarder({ apis, gate, onAppend }) {
  const agent = new Agent({ keepAlive: true });
  const server = createServer((req, res) => void forward(req, res, { apis, gate, onAppend, agent }));
  // A connection closed for idleness at the moment of its next request would look like a fault.
  server.keepAliveTimeout = 0;
  server.requestTimeout = 0;
  await new Promise((resolve) => server.listen(0, '127.0.0.1', resolve));
  return {
    url: `http://127.0.0.1:${server.address().port}`,
    close: () =>
      new Promise((resolve) => {
        server.close(resolve);
        server.closeAllConnections();
        agent.destroy();
      }),
  };
}

async function forward(req, res, { apis, gate, onAppend, agent }) {
  const fail = (why) =>
    res.headersSent ? res.destroy() : res.writeHead(502, { 'Content-Type': 'text/plain' }).end(why);
  req.on('error', () => undefined);
  res.on('error', () => undefined);
  await gate?.passing();
  if (res.destroyed) return;
  const api = apis.next();
  if (!api) return fail('no api is well');

  const isAppend = onAppend && req.method === 'POST' && req.url.startsWith('/v1/stream/');
  const outgoing = request({
    port: api.port,
    host: '127.0.0.1',
    method: req.method,
    path: req.url,
    headers: passed(req.rawHeaders),
    agent,
  });
  const release = apis.holds(api, outgoing);
  outgoing.once('close', release);
  outgoing.on('error', ({ message }) => fail(message));
  outgoing.once('response', async (incoming) => {
    incoming.on('error', () => res.destroy());
    await gate?.passing();
    // The api may have broken off meanwhile, and the client been told so.
    if (res.headersSent || res.destroyed) return incoming.destroy();
    if (isAppend && incoming.statusCode < 300) {
      const { 'producer-epoch': epoch, 'producer-seq': seq } = req.headers;
      onAppend({ path: req.url, epoch: Number(epoch), seq: Number(seq), body: Buffer.concat(body).toString() });
    }
    res.writeHead(incoming.statusCode, incoming.statusMessage, passed(incoming.rawHeaders));
    // The first event of a live stream may come much later.
    res.flushHeaders();
    (gate ? incoming.pipe(held(gate)) : incoming).pipe(res);
    incoming.once('aborted', () => res.destroy());
  });
  res.once('close', () => outgoing.destroy());

  const body = [];
  if (isAppend) req.on('data', (part) => body.push(part));
  req.pipe(outgoing);
}

/** Lets nothing through while the gate is shut. */
const held = (gate) =>
  new Transform({ transform: (part, _, done) => void gate.passing().then(() => done(null, part)) });

/** Header lines (name, value, name, …) without those that are about one connection (RFC 9110, section 7.6.1). */
const passed = (rawHeaders) =>
  rawHeaders.filter((_, index) => !OF_ONE_CONNECTION.test(rawHeaders[index - (index % 2)]));

/** Something that can be shut, and opened again. */
export function newGate() {
  let open = Promise.resolve();
  let reopen = () => undefined;
  return {
    passing: () => open,
    shut: () => (open = new Promise((resolve) => (reopen = resolve))),
    open: () => reopen(),
  };
}
