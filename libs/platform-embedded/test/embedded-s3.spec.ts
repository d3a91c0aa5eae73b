import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { findS3Server, startS3 } from '../src/embedded-s3.js';

const withServer = findS3Server() ? test : test.skip;
const dir = mkdtempSync(join(tmpdir(), 'holdfast-embedded-s3-'));

afterAll(() => rmSync(dir, { recursive: true }));

withServer('starts, is killed, and starts again on the same port', async () => {
  const first = await startS3({ dir });
  await first.kill();
  const second = await startS3({ dir, port: first.port });
  expect(second.url).toBe(first.url);
  await second.stop();
});

withServer('a taken port is an error that says so', async () => {
  const first = await startS3({ dir });
  await expect(startS3({ dir, port: first.port })).rejects.toThrow(/the S3 server does not start: .*in use/s);
  await first.stop();
});
