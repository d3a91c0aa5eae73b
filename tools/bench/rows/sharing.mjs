import { limit } from '../goals.mjs';

const AGENTS = 200;
const RATE = 5;
const WHOLE = 10;
const PARTIAL = 40;
const SESSIONS_OF_PARTIAL = 3;
/** Connections end after 48 to 72 seconds: every viewer is to come again once within a measurement of the usual length. */
const WARM_UP_SECONDS = 15;
const LONGER = 40;

export const treeViewers = {
  name: 'tree-viewers',
  title: `${AGENTS} agents of one tree, ${RATE} events/s each; ${WHOLE} viewers of it all, ${PARTIAL} of its activity and ${SESSIONS_OF_PARTIAL} agents`,
  contenders: ['holdfast'],
  columns: [
    'p50_ms',
    'p99_ms',
    'message_p50_ms',
    'message_p99_ms',
    'deliveries_per_s',
    'returns',
    'server_cores',
    'cpu_us',
  ],
  goals: [limit('p99_ms', 'delivery p99', 'ms', { atMost: 250 })],
  prepare: ({ contender }) => contender.startWorkers(),
  measure: ({ contender, bench, times: { seconds } }) =>
    bench.observe(contender, 'treeViewers', {
      server: contender.connection,
      agents: AGENTS,
      runners: 10,
      rate: RATE,
      messages: 2,
      whole: WHOLE,
      partial: PARTIAL,
      sessionsOfPartial: SESSIONS_OF_PARTIAL,
      warmUpSeconds: WARM_UP_SECONDS,
      seconds: seconds * LONGER,
    }),
};

const FEW = { label: '1 descendant', descendants: 1 };
const MANY = { label: '10 000 descendants', descendants: 10_000 };
/** A p99 of few shares is their worst. */
const SHARES_LONGER = 8;
/** Those of them that have a log: as many as are read and watched. */
const WITH_LOG = 200;

export const shareTree = {
  name: 'share-tree',
  title: 'a tree is shared, read and watched through the share, and the share revoked, one after the other',
  contenders: ['holdfast'],
  variants: [FEW, MANY],
  columns: [
    'create_p50_ms',
    'create_p99_ms',
    'revoke_p50_ms',
    'revoke_p99_ms',
    'first_read_ms',
    'read_ms',
    'key_read_ms',
    'watch_ms',
  ],
  goals: [
    limit('create_p99_ms', 'create p99', 'ms', { atMost: 100, variant: MANY.label }),
    limit('revoke_p99_ms', 'revoke p99', 'ms', { atMost: 100, variant: MANY.label }),
  ],
  async prepare({ contender, bench }) {
    await contender.startWorkers();
    const trees = new Map();
    for (const { label, descendants } of [FEW, MANY]) {
      const { connection: server, databaseUrl } = contender;
      const params = { server, databaseUrl, descendants, withLog: Math.min(descendants, WITH_LOG) };
      trees.set(label, await bench.load.run('plantTree', params));
    }
    return trees;
  },
  measure: ({ contender, state, variant, bench, times }) =>
    bench.observe(contender, 'shareTree', {
      server: contender.connection,
      tree: state.get(variant.label),
      seconds: times.seconds * SHARES_LONGER,
    }),
};
