import { growth } from '../goals.mjs';

const COUNTS = [1, 10, 100, 1_000, 10_000];
const PRODUCERS = 32;
const label = (streams) => `${streams} stream${streams === 1 ? '' : 's'}`;

export const streams = {
  name: 'streams',
  title: '32 producers that take turns on 1 to 10 000 streams, one event per request',
  contenders: ['holdfast'],
  variants: COUNTS.map((count) => ({ label: label(count), count })),
  columns: ['ops_per_s', 'p50_ms', 'p99_ms', 'cpu_us'],
  goals: [growth('p50_ms', 'append p50', { from: label(100), to: label(10_000), atMost: 1.5 })],
  async prepare({ contender, bench }) {
    const paths = Array.from({ length: COUNTS.at(-1) }, (_, index) => bench.path(`streams/${index}`));
    await bench.load.run('create', { server: contender.connection, paths });
    return paths;
  },
  measure({ contender, state: paths, variant, bench, times }) {
    const params = {
      server: contender.connection,
      paths: paths.slice(0, variant.count),
      producers: PRODUCERS,
      batch: 1,
    };
    return bench.observe(contender, 'append', { ...params, isIdempotent: false, ...times });
  },
};
