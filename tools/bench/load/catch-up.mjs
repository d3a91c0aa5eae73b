import { Durations } from '../statistics.mjs';
import { Connection } from './connection.mjs';
import { EVENT_BYTES } from './event.mjs';
import { readRequest } from './requests.mjs';
import { headerOf } from './response-parser.mjs';

/** What brackets and white space of one page may add to its events. */
const PAGE_SLACK_BYTES = 8;

/**
 * `readers` read a stream of `events` from its start to its tail, each on a connection of its own, again and again until
 * `seconds` are over (once at least).
 */
export async function catchUp({ server, path, events, readers, seconds }, { mark }) {
  const connections = await Promise.all(Array.from({ length: readers }, () => Connection.open(server.port)));
  const firstByte = new Durations();
  const whole = new Durations();
  let bytes = 0;
  let pages = 0;

  await mark('start');
  const startedAt = performance.now();
  const readAll = async (connection) => {
    do {
      const read = await readToTail(connection, server, path, events);
      firstByte.add(read.first_byte_ms);
      whole.add(read.whole_ms);
      bytes += read.bytes;
      pages += read.pages;
    } while (performance.now() - startedAt < seconds * 1000);
  };
  await Promise.all(connections.map(readAll));
  const elapsed = (performance.now() - startedAt) / 1000;
  await mark('end');

  for (const connection of connections) connection.close();
  return {
    operations: bytes / 1e6,
    mb_per_s: bytes / 1e6 / elapsed,
    first_byte_ms: firstByte.percentile(0.5),
    p50_ms: whole.percentile(0.5),
    pages: pages / whole.count,
  };
}

async function readToTail(connection, server, path, events) {
  const startedAt = performance.now();
  let first_byte_ms;
  let offset = '-1';
  let bytes = 0;
  let pages = 0;
  for (let isAtTail = false; !isAtTail;) {
    const response = await connection.request(readRequest(server, path, offset));
    first_byte_ms ??= response.firstByteAt - startedAt;
    bytes += response.bodyBytes;
    pages += 1;
    offset = headerOf(response.head, 'stream-next-offset');
    isAtTail = headerOf(response.head, 'stream-up-to-date') === 'true';
  }
  const separators = events - pages;
  const missing = Math.abs(bytes - (events * EVENT_BYTES + separators));
  if (missing > pages * PAGE_SLACK_BYTES) throw new Error(`${bytes} bytes in ${pages} pages are not ${events} events`);
  return { first_byte_ms, whole_ms: performance.now() - startedAt, bytes, pages };
}
