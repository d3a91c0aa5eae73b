import { spawnSync } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { mkdirSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { freePort } from './free-port.js';
import { ServerProcess, type EmbeddedServer } from './server-process.js';

const READY_TIMEOUT_MS = 30_000;
const STOP_MS = 5_000;
const PROBE_MS = 2_000;

/** An S3 server and the one account that it knows. */
export interface EmbeddedS3 extends EmbeddedServer {
  accessKeyId: string;
  secretAccessKey: string;
  region: string;
}

/** The command of an installed S3 server, or undefined. `node tools/install-s3-server.mjs` builds one. */
export function findS3Server(): string | undefined {
  return spawnSync('versitygw', ['--version']).status === 0 ? 'versitygw' : undefined;
}

/** Starts a private S3 server on 127.0.0.1 whose buckets are folders below `dir`, addressed by path. */
export async function startS3({ dir, port }: { dir: string; port?: number }): Promise<EmbeddedS3> {
  const command = findS3Server();
  if (!command) throw new Error('no versitygw found on this machine; node tools/install-s3-server.mjs builds one');
  const folder = resolve(dir);
  // Beside the buckets: extended attributes are not everywhere.
  const [buckets, metadata] = [join(folder, 'buckets'), join(folder, 'metadata')];
  for (const needed of [buckets, metadata]) mkdirSync(needed, { recursive: true });
  const chosen = port ?? (await freePort());
  const accessKeyId = `test${randomBytes(8).toString('hex')}`;
  const secretAccessKey = randomBytes(20).toString('hex');
  const region = 'us-east-1';
  const address = ['--port', `127.0.0.1:${chosen}`, '--region', region];
  const account = ['--access', accessKeyId, '--secret', secretAccessKey];
  const args = [...address, ...account, '--quiet', 'posix', '--sidecar', metadata, buckets];
  const server = new ServerProcess(command, args, join(folder, 's3.log'));
  if (!(await server.isReady(() => knows(accessKeyId, chosen), READY_TIMEOUT_MS))) {
    throw new Error(`the S3 server does not start: ${server.output()}`);
  }
  return {
    url: `http://127.0.0.1:${chosen}`,
    port: chosen,
    pid: server.pid,
    accessKeyId,
    secretAccessKey,
    region,
    stop: () => server.end('SIGTERM', STOP_MS),
    kill: () => server.kill(),
    onUnexpectedExit: (listener) => server.onUnexpectedExit(listener),
  };
}

/** Whether the server on this port is that one: another may have the port, which would not know the account. */
async function knows(accessKeyId: string, port: number): Promise<boolean> {
  const now = new Date().toISOString().replace(/[-:]|\.\d+/g, '');
  const credential = `${accessKeyId}/${now.slice(0, 8)}/us-east-1/s3/aws4_request`;
  const signature = `SignedHeaders=host;x-amz-content-sha256;x-amz-date, Signature=${'0'.repeat(64)}`;
  const headers = {
    'x-amz-date': now,
    'x-amz-content-sha256': 'UNSIGNED-PAYLOAD',
    authorization: `AWS4-HMAC-SHA256 Credential=${credential}, ${signature}`,
  };
  const request = fetch(`http://127.0.0.1:${port}/`, { headers, signal: AbortSignal.timeout(PROBE_MS) });
  const answer = await request.then((response) => response.text()).catch(() => '');
  return answer.includes('<Code>SignatureDoesNotMatch</Code>');
}
