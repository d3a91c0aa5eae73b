import { runConformanceTests } from '@durable-streams/server-conformance-tests';
import { inject } from 'vitest';

runConformanceTests({
  baseUrl: inject('servers')[inject('server')]!.url,
  subscriptions: true,
  // How long tests of long-polling may take: far more than LONG_POLL_SECONDS of servers.ts.
  longPollTimeoutMs: 30_000,
});
