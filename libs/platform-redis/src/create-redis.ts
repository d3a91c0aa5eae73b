import { Logger } from '@nestjs/common';
import { Redis, type RedisOptions } from 'ioredis';

export type { Redis };

/** How a client behaves. */
export interface RedisUse {
  /** Shown in `CLIENT LIST` and in the log. */
  name: string;
  /**
   * What a command does while Redis is away. `wait`: until it is back, without limit (BullMQ insists on it), so the
   * caller sets its own deadline. `fail`: at once, and after 2 s without an answer; subscriptions are the caller's to renew.
   */
  whileAway: 'wait' | 'fail';
}

const FIRST_RETRY_MS = 50;
const LONGEST_RETRY_MS = 2_000;

const whileAway: Record<RedisUse['whileAway'], RedisOptions> = {
  wait: { maxRetriesPerRequest: null },
  fail: { maxRetriesPerRequest: 0, enableOfflineQueue: false, autoResubscribe: false, commandTimeout: 2_000 },
};

/**
 * A client that connects at once and returns from every outage by itself. Close it with `disconnect()`: `quit()` would
 * wait for a server that is away.
 *
 * It never gives up reconnecting: Redis is only speed (law 2), so its loss must not end a process, and its return must not
 * need a restart. The pause doubles up to 2 s, since a longer one is latency after Redis is back; its jitter keeps many
 * processes from returning in the same moment. A failover that leaves the connection on a replica answers writes with
 * READONLY; connecting again finds the primary.
 *
 * @param url `redis://user:password@host:port/database`, or `rediss://` for TLS.
 */
export function createRedis(url: string, use: RedisUse): Redis {
  const redis = new Redis(url, {
    ...whileAway[use.whileAway],
    connectionName: use.name,
    connectTimeout: 5_000,
    // While Redis is away, a close waits this long for a connection that is not there.
    disconnectTimeout: 250,
    retryStrategy: (times) =>
      Math.min(FIRST_RETRY_MS * 2 ** (times - 1), LONGEST_RETRY_MS) * (0.75 + Math.random() / 2),
    reconnectOnError: (error) => error.message.startsWith('READONLY'),
  });
  reportOutages(redis, use.name);
  return redis;
}

/** One line when an outage begins and one when it ends: ioredis reports every attempt in between. */
function reportOutages(redis: Redis, connection: string): void {
  const logger = new Logger('Redis');
  let isAway = false;
  redis.on('reconnecting', () => {
    if (!isAway) logger.warn({ event: 'redis.lost', connection });
    isAway = true;
  });
  redis.on('error', (error: Error) => logger.debug({ event: 'redis.error', connection, reason: error.message }));
  redis.on('ready', () => {
    if (isAway) logger.log({ event: 'redis.back', connection });
    isAway = false;
  });
}
