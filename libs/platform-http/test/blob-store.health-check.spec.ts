import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { BlobsModule } from '@holdfast/platform-blobs';
import { BlobStoreHealthCheck } from '../src/index.js';
import { startTestApp } from './test-app.js';

it('a process stays ready without its blob store, and shows that it is gone', async () => {
  const folder = mkdtempSync(join(tmpdir(), 'holdfast-health-blobs-'));
  const blobs = BlobsModule.forRoot({
    url: pathToFileURL(folder).href,
    s3: { region: 'us-east-1' },
    encryptionKeys: [],
  });
  const app = await startTestApp({ imports: [blobs], healthChecks: [BlobStoreHealthCheck] });
  const ready = async () => {
    const response = await fetch(`${app.url}/health/ready`);
    return { status: response.status, body: await response.json() };
  };
  try {
    expect(await ready()).toEqual({ status: 200, body: { status: 'ok', checks: { blobs: 'up' } } });
    rmSync(folder, { recursive: true });
    expect(await ready()).toEqual({ status: 200, body: { status: 'ok', checks: { blobs: 'down' } } });
  } finally {
    await app.stop();
  }
});
