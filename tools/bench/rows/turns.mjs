import { limit } from '../goals.mjs';

const TURNS = 10_000;
const REPLICAS = 10;
const BEAT_SECONDS = 5;
/** Every runner is to beat several times. */
const BEATS = 3;
const ALL_BEAT = `${TURNS} turns`;

export const heartbeats = {
  name: 'heartbeats',
  title: `${TURNS} live turns of ${REPLICAS} runners, each of which beats for all its turns every ${BEAT_SECONDS} s`,
  contenders: ['holdfast'],
  variants: [
    { label: 'nobody beats', isBeating: false },
    { label: ALL_BEAT, isBeating: true },
  ],
  columns: ['server_cores', 'turns_per_s', 'p50_ms', 'p99_ms'],
  goals: [limit('server_cores', 'api and PostgreSQL', 'cores', { atMost: 0.1, variant: ALL_BEAT })],
  prepare: ({ contender, bench }) =>
    bench.load.run('ownMany', {
      server: contender.connection,
      databaseUrl: contender.databaseUrl,
      turns: TURNS,
      replicas: REPLICAS,
    }),
  measure: ({ contender, variant: { isBeating }, bench }) =>
    bench.observe(contender, 'heartbeats', {
      isBeating,
      beatSeconds: BEAT_SECONDS,
      warmUpSeconds: BEAT_SECONDS,
      seconds: BEATS * BEAT_SECONDS,
    }),
};

const RUNNERS = 50;
const RATE = 20;
/** A p99 of fewer turns is a matter of luck. */
const LONGER = 4;

export const claim = {
  name: 'claim',
  title: `${RUNNERS} idle runners wait, ${RATE} turns/s are started; from the start of a turn until it runs`,
  contenders: ['holdfast'],
  columns: ['p50_ms', 'p99_ms', 'granted_p50_ms', 'granted_p99_ms', 'cpu_us'],
  goals: [limit('p99_ms', 'running p99', 'ms', { atMost: 150 })],
  measure: ({ contender, bench, times }) =>
    bench.observe(contender, 'claims', {
      server: contender.connection,
      runners: RUNNERS,
      rate: RATE,
      ...times,
      seconds: times.seconds * LONGER,
    }),
};

export const invoke = {
  name: 'invoke',
  title: 'a caller that stays, one turn after the other; until the first event, and the first of an agent that is warm',
  contenders: ['holdfast'],
  columns: ['p50_ms', 'p99_ms', 'first_p50_ms', 'cpu_us'],
  goals: [limit('p50_ms', 'first of the agent p50', 'ms', { atMost: 50 })],
  measure: ({ contender, bench, times }) =>
    bench.observe(contender, 'invokes', { server: contender.connection, ...times }),
};
