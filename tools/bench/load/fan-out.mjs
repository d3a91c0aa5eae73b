import { setTimeout as sleep } from 'node:timers/promises';
import { Durations } from '../statistics.mjs';
import { Publisher } from './publisher.mjs';
import { SseViewer } from './sse-viewer.mjs';

const JOINING_AT_ONCE = 25;
const JOIN_TIMEOUT_MS = 10_000;
const DRAIN_MS = 5_000;

/**
 * One producer publishes `rate` events a second while `viewers` watch by SSE from `tail`, where the next event gets the
 * number `next`. A delivery's latency is from its event's way into the socket until a viewer has read it. What is not
 * there five seconds after the last event counts as not delivered.
 */
export async function fanOut(params, { mark }) {
  const { server, path, tail, next, viewers: count, rate, warmUpSeconds, seconds } = params;
  const viewers = Array.from({ length: count }, () => new SseViewer());
  await joinAll(viewers, server, path, tail, next);
  const publisher = await Publisher.open(server, path, next);
  await publisher.publish(warmUpSeconds, rate);

  const deliveries = new Deliveries(viewers, publisher);
  await mark('start');
  await publisher.publish(seconds, rate);
  await mark('end');
  const expected = (publisher.next - deliveries.first) * count;
  const isComplete = await deliveries.reach(expected);
  if (isComplete) await publisher.answered();

  const disorders = viewers.reduce((sum, viewer) => sum + viewer.disorders, 0);
  const dropped = viewers.filter(({ ending }) => ending).length;
  for (const viewer of viewers) viewer.close();
  publisher.close();
  if (disorders) throw new Error(`viewers read ${disorders} events out of order`);
  if (publisher.failure && isComplete) throw new Error(`an event was not taken: ${publisher.failure}`);
  return {
    operations: deliveries.latency.count,
    isComplete,
    next: publisher.next,
    tail: publisher.tail,
    delivered_share: deliveries.latency.count / expected,
    deliveries_per_s: deliveries.latency.count / Math.max(seconds, deliveries.seconds),
    p50_ms: deliveries.latency.percentile(0.5),
    p99_ms: deliveries.latency.percentile(0.99),
    ack_p50_ms: publisher.acknowledgements.percentile(0.5),
    dropped,
    lag_ms: publisher.lag_ms,
  };
}

/** Resolves when each viewer knows that it is at the tail. */
async function joinAll(viewers, server, path, tail, next) {
  const waiting = [...viewers];
  const joinSome = async () => {
    for (let viewer = waiting.pop(); viewer; viewer = waiting.pop()) await joined(viewer, server, path, tail, next);
  };
  await Promise.all(Array.from({ length: JOINING_AT_ONCE }, joinSome));
}

function joined(viewer, server, path, tail, next) {
  return new Promise((resolve, reject) => {
    const fail = (reason) => reject(new Error(`a viewer cannot join: ${reason}`));
    const timer = setTimeout(fail, JOIN_TIMEOUT_MS, 'no control event');
    viewer.onFailure = fail;
    viewer.onControl = () => {
      clearTimeout(timer);
      viewer.onControl = viewer.onFailure = () => undefined;
      resolve();
    };
    void viewer.join(server, path, tail, next);
  });
}

/** What viewers read of the events that are published from now on. */
class Deliveries {
  latency = new Durations();
  first;
  #startedAt = performance.now();
  #lastAt = this.#startedAt;

  constructor(viewers, publisher) {
    this.first = publisher.next;
    const take = (n) => {
      if (n < this.first) return;
      this.#lastAt = performance.now();
      this.latency.add(this.#lastAt - publisher.sentAt(n));
    };
    for (const viewer of viewers) viewer.onEvent = take;
  }

  /** Resolves to whether all have come before the time is up. */
  async reach(expected) {
    const deadline = performance.now() + DRAIN_MS;
    while (this.latency.count < expected && performance.now() < deadline) await sleep(10);
    if (this.latency.count < expected) this.#lastAt = performance.now();
    return this.latency.count === expected;
  }

  /** From the first event on until the last delivery, or until nothing more was waited for. */
  get seconds() {
    return (this.#lastAt - this.#startedAt) / 1000;
  }
}
