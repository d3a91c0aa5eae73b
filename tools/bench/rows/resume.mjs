import { growth } from '../goals.mjs';

const HISTORIES = [1, 10, 100, 1_000, 10_000, 100_000, 1_000_000];
const BATCH = 1_000;
const ROUNDS_PER_SECOND = 150;
const WARM_UP_ROUNDS = 300;
/** What a measurement appends would change a short history: up to here each measurement gets a new one. */
const LONGEST_FRESH = 10_000;
const FLAT = 1.5;
const label = (events) => `${events} event${events === 1 ? '' : 's'}`;

export const resume = {
  name: 'resume',
  title:
    'back at the tail of 1 to 1 000 000 events: plain GET, long-poll one event behind, SSE to its first control; and an append',
  contenders: ['holdfast', 'reference-memory', 'loopback'],
  variants: HISTORIES.map((events) => ({ label: label(events), events })),
  columns: ['get_ms', 'long_poll_ms', 'sse_ms', 'append_ms', 'cpu_us'],
  goals: [
    ['get_ms', 'GET'],
    ['long_poll_ms', 'long-poll'],
    ['sse_ms', 'SSE'],
    ['append_ms', 'append'],
  ].flatMap(([metric, name]) =>
    [10_000, 1_000_000].map((events) => growth(metric, name, { from: label(100), to: label(events), atMost: FLAT })),
  ),
  /** Resolves to the places at the tails of the long histories. */
  async prepare({ contender, bench }) {
    const places = {};
    for (const events of HISTORIES.filter((count) => count > LONGEST_FRESH)) {
      places[events] = await history(bench, contender, events);
    }
    const warmUp = await history(bench, contender, 1);
    await bench.load.run('resume', { server: contender.connection, ...warmUp, rounds: WARM_UP_ROUNDS });
    return places;
  },
  async measure({ contender, state: places, variant: { events }, bench, times }) {
    const place = places[events] ?? (await history(bench, contender, events));
    const rounds = Math.max(10, Math.round(times.seconds * ROUNDS_PER_SECOND));
    const result = await bench.observe(contender, 'resume', { server: contender.connection, ...place, rounds });
    Object.assign(place, placeOf(result));
    return result;
  },
};

/** Resolves to the place at the tail of a new stream: offsets there and one event before, and the next event's number. */
async function history(bench, contender, events) {
  const path = bench.path(`resume/${events}`);
  const server = contender.connection;
  return { path, ...(await bench.load.run('fill', { server, path, count: events, batch: BATCH, last: 1 })) };
}

const placeOf = ({ tail, beforeTail, next }) => ({ tail, beforeTail, next });
