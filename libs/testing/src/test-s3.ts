import { randomBytes } from 'node:crypto';
import { serviceUrl, testRun } from './test-environment.js';

/** A bucket name of one test file on a real S3 server, and how to reach that; buckets are addressed by path. */
export interface TestS3 {
  endpoint: string;
  region: string;
  bucket: string;
  credentials: { accessKeyId: string; secretAccessKey: string };
}

/**
 * Undefined where the machine has no S3 server; a suite then runs its other legs only. The bucket is not made yet. It is
 * gone with the server's folder.
 */
export function testS3(): TestS3 | undefined {
  const server = serviceUrl('HOLDFAST_TEST_S3_URL');
  if (!server) return undefined;
  const { origin, username, password } = new URL(server);
  return {
    endpoint: origin,
    region: 'us-east-1',
    bucket: `test-${testRun()}-${randomBytes(6).toString('hex')}`.toLowerCase(),
    credentials: { accessKeyId: username, secretAccessKey: password },
  };
}
