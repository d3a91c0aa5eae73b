import { limit, share } from '../goals.mjs';

const HISTORY = 10_000;
const BEHIND = 100;
const VIEWERS = 500;
const WARM_UP_VIEWERS = 100;
const WRITES_PER_SECOND = 50;
const GIVE_UP_SECONDS = 10;

export const joinStorm = {
  name: 'join-storm',
  title: '500 viewers join within 1 s, 100 events behind, history 10 000, writer at 50/s; failed: not there after 10 s',
  contenders: ['holdfast', 'reference-memory', 'loopback'],
  columns: ['failures', 'first_p50_ms', 'p50_ms', 'p99_ms', 'cpu_us'],
  goals: [
    limit('failures', 'failed', 'viewers', { atMost: 0, isWorst: true }),
    limit('p99_ms', 'caught up p99', 'ms', { atMost: 30 }),
    share('p99_ms', 'reference-memory', 'p99 of the reference in memory'),
  ],
  /** Nobody's first viewers are five hundred. */
  prepare: ({ contender, bench }) => storm({ bench, contender, viewers: WARM_UP_VIEWERS }),
  measure: ({ contender, bench }) => storm({ bench, contender, viewers: VIEWERS }),
};

async function storm({ contender, bench, viewers }) {
  const server = contender.connection;
  const path = bench.path('join-storm');
  // The last request holds exactly what the viewers are behind, so that the offset before it is theirs.
  const { beforeTail } = await bench.load.run('fill', { server, path, count: HISTORY, batch: BEHIND });
  const result = await bench.observe(contender, 'joinStorm', {
    server,
    path,
    offset: beforeTail,
    next: HISTORY - BEHIND,
    behind: BEHIND,
    viewers,
    joinSeconds: 1,
    rate: WRITES_PER_SECOND,
    giveUpSeconds: GIVE_UP_SECONDS,
  });
  if (result.failures) await bench.restart(contender);
  return result;
}
