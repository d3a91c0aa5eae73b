import { Redis } from 'ioredis';
import { serviceUrl } from './test-environment.js';

/** A logical database of one test file. Pub/sub channels are shared with all others on the server. */
export interface TestRedis {
  url: string;
  /** Removes every key of this database and of no other. */
  flush(): Promise<void>;
  /** Empties it and closes the connection; call it at the end. */
  drop(): Promise<void>;
}

const COUNTER = 'holdfast:test:databases';

/** Undefined where the machine has no Redis server; a suite then runs its PostgreSQL leg only. */
export async function testRedis(): Promise<TestRedis | undefined> {
  const server = serviceUrl('HOLDFAST_TEST_REDIS_URL');
  if (!server) return undefined;
  const database = await nextDatabase(server);
  const url = new URL(server);
  url.pathname = `/${database}`;
  const redis = new Redis(url.href);
  await redis.flushdb();
  return {
    url: url.href,
    flush: async () => void (await redis.flushdb()),
    drop: async () => {
      await redis.flushdb();
      await redis.quit();
    },
  };
}

/** Goes around all databases but 0, so that one is only used again when many others were taken since. */
async function nextDatabase(server: string): Promise<number> {
  const redis = new Redis(server);
  try {
    const [, databases] = (await redis.config('GET', 'databases')) as [string, string];
    return 1 + ((await redis.incr(COUNTER)) % (Number(databases) - 1));
  } finally {
    redis.disconnect();
  }
}
