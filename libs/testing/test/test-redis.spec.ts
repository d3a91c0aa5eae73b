import { Redis } from 'ioredis';
import { testRedis } from '../src/test-redis.js';

const hasRedis = Boolean(process.env['HOLDFAST_TEST_REDIS_URL']);

(hasRedis ? test : test.skip)('callers get logical databases of their own, and flush empties only one', async () => {
  const [first, second] = await Promise.all([testRedis(), testRedis()]);
  if (!first || !second) throw new Error('no Redis');
  const [one, two] = [new Redis(first.url), new Redis(second.url)];
  try {
    await one.set('box', 'first');
    await two.set('box', 'second');
    await first.flush();
    expect(await one.get('box')).toBeNull();
    expect(await two.get('box')).toBe('second');
  } finally {
    one.disconnect();
    two.disconnect();
    await Promise.all([first.drop(), second.drop()]);
  }
});
