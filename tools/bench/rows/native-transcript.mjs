import { limit } from '../goals.mjs';

const BYTES = 50_000_000;
const WHILE_IT_RUNS = 'while a turn runs';
const FIRST_LOOK = 'first look';

export const nativeCapture = {
  name: 'native-capture',
  title: 'one more turn of a native transcript of 50 MB saved: by who wrote it so far, and by who reads it all first',
  contenders: ['holdfast'],
  variants: [
    { label: WHILE_IT_RUNS, isFirstLook: false },
    { label: FIRST_LOOK, isFirstLook: true },
  ],
  columns: ['p50_ms', 'p99_ms', 'moved_percent', 'cpu_us'],
  goals: [WHILE_IT_RUNS, FIRST_LOOK].flatMap((variant) => [
    limit('p50_ms', 'look and save p50', 'ms', { atMost: 200, variant }),
    limit('moved_percent', 'moved', '% of it', { atMost: 1, variant }),
  ]),
  measure: ({ contender, variant: { isFirstLook }, bench, times: { seconds } }) =>
    bench.observe(contender, 'captureTranscript', { server: contender.connection, bytes: BYTES, isFirstLook, seconds }),
};

export const nativeFetch = {
  name: 'native-fetch',
  title: 'a native transcript of 50 MB fetched as an archive, again and again',
  contenders: ['holdfast'],
  columns: ['mb_per_s', 'p50_ms', 'cpu_ms_per_mb', 'rss_before_mb', 'rss_peak_mb'],
  goals: [limit('rss_growth', 'memory at the peak', '× before', { atMost: 1.25 })],
  async measure({ contender, bench, times: { seconds } }) {
    const params = { server: contender.connection, bytes: BYTES, seconds };
    const result = await bench.observe(contender, 'fetchTranscript', params);
    return { ...result, cpu_ms_per_mb: result.cpu_us / 1000 };
  },
};
