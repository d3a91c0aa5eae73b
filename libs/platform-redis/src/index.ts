export { createRedis } from './create-redis.js';
export type { Redis, RedisUse } from './create-redis.js';
