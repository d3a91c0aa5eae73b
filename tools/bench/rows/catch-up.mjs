import { limit, ratio, share } from '../goals.mjs';

const EVENTS = 100_000;
const EVENT_BYTES = 256;
/** Events that a producer of such a history sends at once. */
const BATCH = 100;
const COLUMNS = ['mb_per_s', 'first_byte_ms', 'p50_ms', 'pages', 'cpu_ms_per_mb', 'rss_before_mb', 'rss_peak_mb'];
const READERS = [1, 8];
const variants = READERS.map((readers) => ({ label: readers === 1 ? '1 reader' : `${readers} readers`, readers }));

async function prepare({ contender, bench }) {
  if (contender.name === 'postgres') return undefined;
  const path = bench.path('catch-up');
  await bench.load.run('fill', { server: contender.connection, path, count: EVENTS, batch: BATCH });
  return path;
}

/** An operation is a megabyte here. */
const perMegabyte = (result) => ({ ...result, cpu_ms_per_mb: result.cpu_us / 1000 });

export const catchUp = {
  name: 'catch-up',
  title: '100 000 events (25 MB) read from the start to the tail, again and again (hot)',
  contenders: ['holdfast', 'reference-memory', 'reference-file', 'loopback'],
  variants,
  columns: COLUMNS,
  goals: variants.flatMap(({ label: variant }) => [
    ratio('mb_per_s', 'reference-memory', { atLeast: 8, variant }),
    limit('first_byte_ms', 'first byte p50', 'ms', { atMost: 20, variant }),
    limit('rss_growth', 'memory at the peak', '× before', { atMost: 1.25, variant }),
    share('mb_per_s', 'loopback', `of bare HTTP, ${variant}`, { variant }),
  ]),
  prepare,
  async measure({ contender, state: path, variant, bench, times: { seconds } }) {
    const params = { server: contender.connection, path, events: EVENTS, readers: variant.readers };
    await bench.load.run('catchUp', { ...params, seconds: 0 });
    return perMegabyte(await bench.observe(contender, 'catchUp', { ...params, seconds }));
  },
};

/** The reference in memory cannot be cold: its hot reading is the measure. */
export const catchUpCold = {
  name: 'catch-up-cold',
  title: 'the same, once, after the api was restarted (the reference: hot; postgres: rows of 1 MiB, read by a client)',
  contenders: ['holdfast', 'reference-memory', 'postgres'],
  variants,
  columns: COLUMNS,
  goals: [
    ...variants.flatMap(({ label: variant }) => [
      ratio('mb_per_s', 'reference-memory', { atLeast: 1.5, variant }),
      limit('first_byte_ms', 'first byte p50', 'ms', { atMost: 20, variant }),
    ]),
    share('mb_per_s', 'postgres', 'of a bare read from PostgreSQL, 1 reader', { variant: '1 reader' }),
  ],
  prepare,
  async measure({ contender, state: path, variant, bench }) {
    if (contender.name === 'postgres') {
      const params = { databaseUrl: contender.databaseUrl, bytes: EVENTS * EVENT_BYTES };
      return perMegabyte(await bench.observe(contender, 'readPages', params));
    }
    const params = { server: contender.connection, path, events: EVENTS, readers: variant.readers, seconds: 0 };
    if (contender.name === 'holdfast') await bench.restart(contender);
    else await bench.load.run('catchUp', params);
    return perMegabyte(await bench.observe(contender, 'catchUp', params));
  },
};
