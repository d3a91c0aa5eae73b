/** How each number is called and written in a table. What an operation is depends on the row. */
const METRICS = {
  ops_per_s: ['ops/s', count],
  events_per_s: ['events/s', count],
  p50_ms: ['p50 ms', decimal],
  p99_ms: ['p99 ms', decimal],
  ack_p50_ms: ['publish p50 ms', decimal],
  cpu_us: ['cpu µs/op', decimal],
  deliveries_per_s: ['deliveries/s', count],
  delivered_share: ['delivered', percent],
  granted_p50_ms: ['granted p50 ms', decimal],
  granted_p99_ms: ['granted p99 ms', decimal],
  turns_per_s: ['turns/s', count],
  server_cores: ['server cores', decimal],
  dropped: ['dropped', count],
  mb_per_s: ['MB/s', decimal],
  first_byte_ms: ['first byte ms', decimal],
  moved_percent: ['moved %', decimal],
  pages: ['pages', decimal],
  cpu_ms_per_mb: ['cpu ms/MB', decimal],
  rss_before_mb: ['memory MB', count],
  rss_peak_mb: ['peak MB', count],
  failures: ['failed', count],
  first_p50_ms: ['first p50 ms', decimal],
  get_ms: ['GET p50 ms', decimal],
  long_poll_ms: ['long-poll p50 ms', decimal],
  sse_ms: ['SSE p50 ms', decimal],
  append_ms: ['append p50 ms', decimal],
  message_p50_ms: ['message p50 ms', decimal],
  message_p99_ms: ['message p99 ms', decimal],
  returns: ['watched again', count],
  create_p50_ms: ['create p50 ms', decimal],
  create_p99_ms: ['create p99 ms', decimal],
  revoke_p50_ms: ['revoke p50 ms', decimal],
  revoke_p99_ms: ['revoke p99 ms', decimal],
  first_read_ms: ['first read p50 ms', decimal],
  read_ms: ['read p50 ms', decimal],
  key_read_ms: ['by key p50 ms', decimal],
  watch_ms: ['watch p50 ms', decimal],
  load_cores: ['load', decimal],
  foreign_cores: ['foreign', decimal],
};

export const titleOf = (metric) => METRICS[metric][0];

export function formatMetric(metric, value) {
  return value === undefined ? '–' : METRICS[metric][1](value);
}

function count(value) {
  if (value >= 100_000) return `${(value / 1000).toFixed(0)}k`;
  if (value >= 10_000) return `${(value / 1000).toFixed(1)}k`;
  return value.toFixed(0);
}

function percent(value) {
  return value === 1 ? 'all' : `${(value * 100).toFixed(1)} %`;
}

/** Three digits that mean something. */
export function decimal(value) {
  if (value >= 99.95) return value.toFixed(0);
  if (value >= 9.995) return value.toFixed(1);
  return value.toFixed(2);
}
