import { growth, limit, share } from '../goals.mjs';

const RATE = 100;
/** A server that falls behind takes its time to show it. */
const LONGER = 2;

async function measureFanOut({ contender, bench, times, viewers }) {
  const path = bench.path('fan-out');
  const { tail, next } = await bench.load.run('fill', { server: contender.connection, path, count: 0, batch: 1 });
  const seconds = times.seconds * LONGER;
  const params = { server: contender.connection, path, tail, next, viewers, rate: RATE, ...times, seconds };
  const result = await bench.observe(contender, 'fanOut', params);
  if (!result.isComplete) await bench.restart(contender);
  return result;
}

export const fanOut = {
  name: 'fan-out',
  title: '1 producer at 100 events/s, 500 SSE viewers; latency from publishing to reading',
  contenders: ['holdfast', 'reference-memory', 'loopback'],
  columns: ['deliveries_per_s', 'delivered_share', 'p50_ms', 'p99_ms', 'server_cores', 'cpu_us', 'dropped'],
  goals: [
    limit('delivered_share', 'share delivered', '', { atLeast: 1, isWorst: true }),
    limit('p99_ms', 'p99', 'ms', { atMost: 15 }),
    limit('server_cores', 'server', 'cores', { atMost: 0.5 }),
    share('deliveries_per_s', 'reference-memory', 'of the reference in memory'),
  ],
  measure: (context) => measureFanOut({ ...context, viewers: 500 }),
};

const COUNTS = [1, 10, 100, 500];

export const viewers = {
  name: 'viewers',
  title: 'the same with 1 to 500 viewers: the time of a publish, and the cost of a delivery',
  contenders: ['holdfast'],
  variants: COUNTS.map((count) => ({ label: count === 1 ? '1 viewer' : `${count} viewers`, count })),
  columns: ['ack_p50_ms', 'p50_ms', 'p99_ms', 'cpu_us', 'server_cores'],
  goals: [
    growth('ack_p50_ms', 'publish p50', { from: '10 viewers', to: '500 viewers' }),
    growth('cpu_us', 'cpu per delivery', { from: '100 viewers', to: '500 viewers', atMost: 1.2 }),
  ],
  measure: (context) => measureFanOut({ ...context, viewers: context.variant.count }),
};
