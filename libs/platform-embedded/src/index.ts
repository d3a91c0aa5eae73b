export { startPostgres } from './embedded-postgres.js';
export type { PostgresOptions } from './embedded-postgres.js';
export { findRedisServer, startRedis } from './embedded-redis.js';
export { freePort } from './free-port.js';
export type { EmbeddedServer } from './server-process.js';
