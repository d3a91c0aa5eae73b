export { startPostgres } from './embedded-postgres.js';
export type { PostgresOptions } from './embedded-postgres.js';
export { findRedisServer, startRedis } from './embedded-redis.js';
export { findS3Server, startS3 } from './embedded-s3.js';
export type { EmbeddedS3 } from './embedded-s3.js';
export { freePort } from './free-port.js';
export type { EmbeddedServer } from './server-process.js';
