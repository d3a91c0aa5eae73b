import { ratio, share } from '../goals.mjs';

const SERVERS = ['holdfast', 'reference-memory', 'reference-file'];
const COLUMNS = ['ops_per_s', 'p50_ms', 'p99_ms', 'cpu_us'];

/**
 * One event or one batch per request; every producer waits for its answer before the next. `bare` is what the load does
 * with PostgreSQL alone.
 */
function appendRow({
  name,
  title,
  producers,
  streams,
  batch = 1,
  isIdempotent = false,
  limits = [],
  bare,
  columns,
  goals,
}) {
  return {
    name,
    title,
    contenders: [...SERVERS, ...limits],
    columns: columns ?? COLUMNS,
    goals,
    async prepare({ contender, bench }) {
      if (contender.name === 'postgres') return undefined;
      const paths = Array.from({ length: streams }, (_, index) => bench.path(`${name}/${index}`));
      await bench.load.run('create', { server: contender.connection, paths });
      return paths;
    },
    measure({ contender, state: paths, bench, times }) {
      if (contender.name === 'postgres') {
        return bench.observe(contender, bare, { databaseUrl: contender.databaseUrl, writers: producers, ...times });
      }
      const server = contender.connection;
      return bench.observe(contender, 'append', { server, paths, producers, batch, isIdempotent, ...times });
    },
  };
}

export const append32 = appendRow({
  name: 'append-32',
  title: '32 producers, each on a stream of its own, one event per request',
  producers: 32,
  streams: 32,
  limits: ['loopback', 'postgres'],
  bare: 'commitGroups',
  goals: [
    ratio('ops_per_s', 'reference-memory', { atLeast: 1 }),
    ratio('ops_per_s', 'reference-file', { atLeast: 4 }),
    share('ops_per_s', 'loopback', 'of bare HTTP'),
    share('ops_per_s', 'postgres', 'of bare group commit'),
  ],
});

export const append32One = appendRow({
  name: 'append-32-one',
  title: '32 producers on one stream, one event per request',
  producers: 32,
  streams: 1,
  goals: [ratio('ops_per_s', 'reference-memory', { atLeast: 1 })],
});

export const append32Idempotent = appendRow({
  name: 'append-32-idempotent',
  title: '32 idempotent producers, each on a stream of its own, one event per request',
  producers: 32,
  streams: 32,
  isIdempotent: true,
  goals: [ratio('ops_per_s', 'reference-memory', { atLeast: 1 })],
});

export const append1 = appendRow({
  name: 'append-1',
  title: '1 producer, one event per request; postgres: one client that commits one row at a time',
  producers: 1,
  streams: 1,
  limits: ['loopback', 'postgres'],
  bare: 'commitRows',
  columns: ['p50_ms', 'p99_ms', 'ops_per_s', 'cpu_us'],
  goals: [
    ratio('p50_ms', 'postgres', { atMost: 3 }),
    share('p50_ms', 'reference-memory', 'of the reference in memory'),
  ],
});

export const append8Batches = appendRow({
  name: 'append-8x20',
  title: '8 producers, each on a stream of its own, 20 events per request',
  producers: 8,
  streams: 8,
  batch: 20,
  limits: ['loopback'],
  columns: ['events_per_s', 'p50_ms', 'p99_ms', 'cpu_us'],
  goals: [
    ratio('events_per_s', 'reference-memory', { atLeast: 0.8 }),
    share('events_per_s', 'loopback', 'of bare HTTP'),
  ],
});
