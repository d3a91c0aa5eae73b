// What node:http and the loopback cost when a server does nothing but the protocol's bytes: one process, memory only, no
// checks, no durability. Streams lie as bytes that are ready for the wire, so that a read is one slice and a publish one
// buffer for all viewers. It understands what the load of this benchmark sends, and nothing else.
import { createServer } from 'node:http';

const FIRST_PAGE_BYTES = 4 * 1024;
const PAGE_BYTES = 4 * 1024 * 1024;
const COMMA = Buffer.from(',');

const streams = new Map();

/** Pages of events, each with a comma before it. An offset is a page and a place in it. */
class Stream {
  pages = [{ bytes: Buffer.allocUnsafeSlow(FIRST_PAGE_BYTES), filled: 0 }];
  viewers = new Set();

  append(body) {
    const events = body[0] === 91 ? body.subarray(1, body.length - 1) : body;
    const page = this.pageWithRoom(events.length + 1);
    COMMA.copy(page.bytes, page.filled);
    events.copy(page.bytes, page.filled + 1);
    page.filled += events.length + 1;
    if (this.viewers.size === 0) return;
    const frame = chunk(`event: data\ndata: [${events.latin1Slice()}]\n\n${control(this.tail)}`);
    for (const socket of this.viewers) socket.write(frame);
  }

  pageWithRoom(bytes) {
    const page = this.pages.at(-1);
    if (page.filled + bytes <= page.bytes.length) return page;
    if (page.filled + bytes <= PAGE_BYTES) {
      const larger = Buffer.allocUnsafeSlow(Math.min(PAGE_BYTES, Math.max(page.bytes.length * 2, page.filled + bytes)));
      page.bytes.copy(larger, 0, 0, page.filled);
      page.bytes = larger;
      return page;
    }
    this.pages.push({ bytes: Buffer.allocUnsafeSlow(Math.max(PAGE_BYTES, bytes)), filled: 0 });
    return this.pages.at(-1);
  }

  get tail() {
    return `${this.pages.length - 1}_${this.pages.at(-1).filled}`;
  }

  /** The events from `offset` to the end of its page. */
  read(offset) {
    const [index, from] = offset === '-1' ? [0, 0] : offset.split('_').map(Number);
    const { bytes, filled } = this.pages[index];
    const isLast = index === this.pages.length - 1;
    if (from === filled && !isLast) return this.read(`${index + 1}_0`);
    const events = bytes.subarray(Math.min(from + 1, filled), filled);
    return { events, next: isLast ? this.tail : `${index + 1}_0`, isAtTail: isLast };
  }
}

const control = (offset) => `event: control\ndata: {"streamNextOffset":"${offset}","upToDate":true}\n\n`;
const chunk = (text) => Buffer.from(`${text.length.toString(16)}\r\n${text}\r\n`, 'latin1');

const server = createServer((request, response) => {
  const [path, query] = request.url.split('?');
  if (request.method === 'GET') return read(streams.get(path), query, response);
  const parts = [];
  request.on('data', (part) => parts.push(part));
  request.on('end', () => {
    if (!streams.has(path)) streams.set(path, new Stream());
    const stream = streams.get(path);
    if (request.method === 'POST') stream.append(parts.length === 1 ? parts[0] : Buffer.concat(parts));
    response.writeHead(request.method === 'POST' ? 204 : 201, { 'stream-next-offset': stream.tail });
    response.end();
  });
});

function read(stream, query, response) {
  const offset = /offset=([^&]*)/.exec(query)[1];
  if (query.includes('live=sse')) return view(stream, offset, response);
  const { events, next, isAtTail } = stream.read(offset);
  const headers = {
    'content-type': 'application/json',
    'stream-next-offset': next,
    'content-length': events.length + 2,
  };
  response.writeHead(200, isAtTail ? { ...headers, 'stream-up-to-date': 'true' } : headers);
  response.write('[');
  response.write(events);
  response.end(']');
}

function view(stream, offset, response) {
  response.writeHead(200, { 'content-type': 'text/event-stream', 'transfer-encoding': 'chunked' });
  response.flushHeaders();
  const { socket } = response;
  const { events } = stream.read(offset);
  const data = events.length ? `event: data\ndata: [${events.latin1Slice()}]\n\n` : '';
  socket.write(chunk(data + control(stream.tail)));
  stream.viewers.add(socket);
  socket.once('close', () => stream.viewers.delete(socket));
}

server.listen(0, '127.0.0.1', () => process.send({ port: server.address().port }));
