import { Connection } from './connection.mjs';
import { eventsJson } from './event.mjs';
import { appendRequest, createRequest } from './requests.mjs';
import { headerOf } from './response-parser.mjs';

const CREATING_AT_ONCE = 16;

/** Makes a stream for JSON at each of `paths`. */
export async function create({ server, paths }) {
  const waiting = [...paths];
  const createSome = async () => {
    const connection = await Connection.open(server.port);
    for (let path = waiting.pop(); path; path = waiting.pop()) await connection.request(createRequest(server, path));
    connection.close();
  };
  await Promise.all(Array.from({ length: Math.min(CREATING_AT_ONCE, paths.length) }, createSome));
}

/**
 * Makes the stream at `path` and appends the events 0 to `count - 1`, `batch` in a request and `last` in the last one.
 * Resolves to the offset after the last event (`tail`), the one before the last request (`beforeTail`), and the number of
 * the next event.
 */
export async function fill({ server, path, count, batch, last = Math.min(batch, count) }) {
  const connection = await Connection.open(server.port);
  const { head } = await connection.request(createRequest(server, path));
  let tail = headerOf(head, 'stream-next-offset');
  let beforeTail = tail;
  for (let next = 0; next < count;) {
    const size = Math.min(batch, count - last - next) || last;
    const answer = await connection.request(appendRequest(server, path, eventsJson(next, size)));
    [beforeTail, tail] = [tail, headerOf(answer.head, 'stream-next-offset')];
    next += size;
  }
  connection.close();
  return { tail, beforeTail, next: count };
}
