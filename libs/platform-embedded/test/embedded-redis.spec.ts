import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Redis } from 'ioredis';
import { findRedisServer, startRedis } from '../src/embedded-redis.js';

const withServer = findRedisServer() ? test : test.skip;
const dir = mkdtempSync(join(tmpdir(), 'holdfast-embedded-redis-'));

afterAll(() => rmSync(dir, { recursive: true }));

withServer('starts, is killed, and starts again empty on the same port', async () => {
  const first = await startRedis({ dir });
  const redis = new Redis(first.url, { lazyConnect: true });
  redis.on('error', () => undefined);
  await redis.set('box', 'full');
  await first.kill();

  const second = await startRedis({ dir, port: first.port });
  try {
    expect(await redis.get('box')).toBeNull();
  } finally {
    redis.disconnect();
    await second.stop();
  }
});

withServer('a taken port is an error that says so', async () => {
  const first = await startRedis({ dir });
  await expect(startRedis({ dir, port: first.port })).rejects.toThrow(/Redis does not start: .*in use/s);
  await first.stop();
});
