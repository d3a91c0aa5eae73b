import { randomUUID } from 'node:crypto';
import { Durations } from '../statistics.mjs';
import { Connection } from './connection.mjs';
import { eventJson, eventsJson } from './event.mjs';
import { appendRequest, producerAppendRequest } from './requests.mjs';
import { Window } from './window.mjs';

/**
 * Producers append, each on a connection of its own and one request at a time. Producer `i` takes `paths` `i`,
 * `i + producers` and so on in turn; where there are fewer paths than producers, they share.
 */
export async function append({ server, paths, producers, batch, isIdempotent, warmUpSeconds, seconds }, { mark }) {
  const window = new Window();
  const durations = new Durations();
  const body = batch === 1 ? eventJson(0) : eventsJson(0, batch);

  const produce = async (index) => {
    const own = pathsOf(index, producers, paths);
    const requestAt = isIdempotent ? idempotentRequests(server, own, body) : plainRequests(server, own, body);
    const connection = await Connection.open(server.port);
    for (let count = 0; !window.isOver; count += 1) {
      const sentAt = performance.now();
      await connection.request(requestAt(count));
      if (window.isOpen) durations.add(performance.now() - sentAt);
    }
    connection.close();
  };

  const timing = window.pass({ warmUpSeconds, seconds, mark });
  await Promise.all([timing, ...Array.from({ length: producers }, (_, index) => produce(index))]);
  return {
    operations: durations.count,
    events: durations.count * batch,
    ops_per_s: durations.count / window.seconds,
    events_per_s: (durations.count * batch) / window.seconds,
    p50_ms: durations.percentile(0.5),
    p99_ms: durations.percentile(0.99),
  };
}

function pathsOf(index, producers, paths) {
  if (paths.length <= producers) return [paths[index % paths.length]];
  return paths.filter((_, position) => position % producers === index);
}

function plainRequests(server, paths, body) {
  const requests = paths.map((path) => appendRequest(server, path, body));
  return (count) => requests[count % requests.length];
}

/** A producer of its own for each run: sequences start at 0. */
function idempotentRequests(server, paths, body) {
  const producer = randomUUID();
  return (count) => {
    const sequence = Math.floor(count / paths.length);
    return producerAppendRequest(server, paths[count % paths.length], body, { producer, sequence });
  };
}
