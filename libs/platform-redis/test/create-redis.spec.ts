import { once } from 'node:events';
import { eventually, testRedis, type TestRedis } from '@holdfast/testing';
import { Logger } from '@nestjs/common';
import { createRedis, type Redis } from '../src/index.js';

Logger.overrideLogger(false);

const withRedis = process.env['HOLDFAST_TEST_REDIS_URL'] ? describe : describe.skip;

withRedis('a Redis client whose connection was killed', () => {
  let redis: TestRedis | undefined;
  let admin: Redis;
  let client: Redis;

  beforeAll(async () => {
    redis = await testRedis();
    admin = createRedis(redis!.url, { name: 'test-admin', whileAway: 'wait' });
  });
  afterEach(() => client.disconnect());
  afterAll(async () => {
    admin.disconnect();
    await redis?.drop();
  });

  /** Leaves `client` in the pause before its first attempt to reconnect. */
  async function lose(whileAway: 'wait' | 'fail'): Promise<void> {
    client = createRedis(redis!.url, { name: 'test-client', whileAway });
    await once(client, 'ready');
    const closed = once(client, 'close');
    await admin.client('KILL', 'ID', await client.client('ID'));
    await closed;
  }

  it('keeps a command until it is back, where commands wait', async () => {
    await lose('wait');
    expect(await client.ping()).toBe('PONG');
  });

  it('refuses a command at once and is back later, where commands fail', async () => {
    await lose('fail');
    await expect(client.ping()).rejects.toThrow();
    expect(await eventually(() => client.ping())).toBe('PONG');
  });

  it('gives a command up after 2 s without an answer, where commands fail', async () => {
    client = createRedis(redis!.url, { name: 'test-client', whileAway: 'fail' });
    await once(client, 'ready');
    const asked = performance.now();
    await expect(client.blpop('never', 0)).rejects.toThrow('timed out');
    expect(performance.now() - asked).toBeLessThan(4_000);
  });
});
