import { setTimeout as sleep } from 'node:timers/promises';
import { Durations } from '../statistics.mjs';
import { Publisher } from './publisher.mjs';
import { SseViewer } from './sse-viewer.mjs';

const UP_TO_DATE = /"upToDate": ?true/;
const WRITER_AHEAD_SECONDS = 0.5;

/**
 * `viewers` join by SSE, evenly within `joinSeconds`, at `offset`, which is `behind` events before what was the tail;
 * the event there has the number `next`. Meanwhile one producer publishes `rate` events a second, the first with the
 * number `next + behind`. A viewer has caught up when the server says so and it has read everything in order; one that
 * has not within `giveUpSeconds` has failed.
 */
export async function joinStorm(params, { mark }) {
  const { server, path, offset, next, behind, viewers: count, joinSeconds, rate, giveUpSeconds } = params;
  const publisher = await Publisher.open(server, path, next + behind);
  const publishing = publisher.publish(WRITER_AHEAD_SECONDS + joinSeconds, rate);
  await sleep(WRITER_AHEAD_SECONDS * 1000);

  await mark('start');
  const startedAt = performance.now();
  const viewers = [];
  const outcomes = [];
  for (let index = 0; index < count; index += 1) {
    const early = startedAt + (index * joinSeconds * 1000) / count - performance.now();
    if (early > 0) await sleep(Math.ceil(early));
    const viewer = new SseViewer();
    viewers.push(viewer);
    outcomes.push(caughtUp(viewer, behind, giveUpSeconds));
    void viewer.join(server, path, offset, next);
  }
  const results = await Promise.all(outcomes);
  await mark('end');
  await publishing;

  const failures = results.filter(({ failure }) => failure);
  if (failures.length === 0) await publisher.answered();
  for (const viewer of viewers) viewer.close();
  publisher.close();
  if (publisher.failure && failures.length === 0) throw new Error(`an event was not taken: ${publisher.failure}`);
  const first = durationsOf(results.map(({ first_ms }) => first_ms));
  const caught = durationsOf(results.map(({ caught_up_ms }) => caught_up_ms));
  return {
    operations: count,
    failures: failures.length,
    failure: failures[0]?.failure,
    next: publisher.next,
    tail: publisher.tail,
    first_p50_ms: first.percentile(0.5),
    p50_ms: caught.percentile(0.5),
    p99_ms: caught.percentile(0.99),
  };
}

/** Times are from the moment the connection was asked for. */
function caughtUp(viewer, behind, giveUpSeconds) {
  return new Promise((resolve) => {
    const end = (outcome) => {
      clearTimeout(timer);
      viewer.onControl = () => undefined;
      const first_ms = viewer.firstByteAt && viewer.firstByteAt - viewer.askedAt;
      resolve({ first_ms, ...outcome });
    };
    const timer = setTimeout(() => end({ failure: `not caught up after ${giveUpSeconds} s` }), giveUpSeconds * 1000);
    viewer.onFailure = (failure) => end({ failure });
    viewer.onControl = (event) => {
      if (!UP_TO_DATE.test(event)) return;
      const isWhole = viewer.received >= behind && viewer.disorders === 0;
      const caught_up_ms = performance.now() - viewer.askedAt;
      end(isWhole ? { caught_up_ms } : { failure: `${viewer.received} events read, ${viewer.disorders} out of order` });
    };
  });
}

function durationsOf(values) {
  const durations = new Durations();
  for (const value of values) if (value !== undefined) durations.add(value);
  return durations;
}
