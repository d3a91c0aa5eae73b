import { Durations } from '../statistics.mjs';
import { Connection } from './connection.mjs';
import { eventJson } from './event.mjs';
import { appendRequest, readRequest } from './requests.mjs';
import { headerOf } from './response-parser.mjs';
import { SseViewer } from './sse-viewer.mjs';

const SSE_TIMEOUT_MS = 10_000;

/**
 * A client comes back to a stream whose end it knows, one at a time: a plain read at the `tail`, a long-poll at
 * `beforeTail` (one event behind, so that it is answered at once), and an SSE join at the tail until the first control
 * event, `rounds` of each in turn; then as many appends. Requests go over open connections.
 */
export async function resume({ server, path, tail, beforeTail, next, rounds }, { mark }) {
  const connection = await Connection.open(server.port);
  const took = { get: new Durations(), longPoll: new Durations(), sse: new Durations(), append: new Durations() };
  const timed = async (durations, request) => {
    const sentAt = performance.now();
    const response = await connection.request(request);
    durations.add(performance.now() - sentAt);
    return response;
  };

  await mark('start');
  for (let round = 0; round < rounds; round += 1) {
    await timed(took.get, readRequest(server, path, tail));
    await timed(took.longPoll, readRequest(server, path, beforeTail, 'long-poll'));
    took.sse.add(await firstControl(server, path, tail, next));
  }
  // Last, so that the history keeps its length while it is read.
  for (let round = 0; round < rounds; round += 1) {
    const { head } = await timed(took.append, appendRequest(server, path, eventJson(next)));
    [beforeTail, tail, next] = [tail, headerOf(head, 'stream-next-offset'), next + 1];
  }
  await mark('end');

  connection.close();
  return {
    operations: rounds * 4,
    tail,
    beforeTail,
    next,
    get_ms: took.get.percentile(0.5),
    long_poll_ms: took.longPoll.percentile(0.5),
    sse_ms: took.sse.percentile(0.5),
    append_ms: took.append.percentile(0.5),
  };
}

/** Milliseconds from the request, on a connection just opened, to the first control event. */
function firstControl(server, path, offset, next) {
  return new Promise((resolve, reject) => {
    const viewer = new SseViewer();
    const end = (settle, value) => {
      clearTimeout(timer);
      viewer.close();
      settle(value);
    };
    const timer = setTimeout(() => end(reject, new Error('no control event within 10 s')), SSE_TIMEOUT_MS);
    viewer.onControl = () => end(resolve, performance.now() - viewer.connectedAt);
    viewer.onFailure = (reason) => end(reject, new Error(`a viewer cannot join: ${reason}`));
    void viewer.join(server, path, offset, next);
  });
}
