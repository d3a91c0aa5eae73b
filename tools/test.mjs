// `npm test`: every project's tests against one private PostgreSQL and, where redis-server is found, one Redis.
// Its last line is `N passed, N failed` over all projects.
import { requireNode } from './start/node-version.mjs';

requireNode();
await import('./test/main.mjs');
