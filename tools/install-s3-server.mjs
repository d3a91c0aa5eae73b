// Builds the S3 server that tests of the blob store run against: versitygw, which is a Go module. Needs Go.
// usage: node tools/install-s3-server.mjs   (into .servers; a minute on two cores, 80 MB)
import { spawnSync } from 'node:child_process';
import { existsSync, mkdirSync } from 'node:fs';
import { join, resolve } from 'node:path';

const VERSION = 'v1.8.0';
const folder = resolve(import.meta.dirname, '../.servers');
const program = join(folder, 'versitygw');

if (installedVersion() === VERSION) {
  console.log(`versitygw ${VERSION} already in ${folder}`);
} else {
  build();
}

function installedVersion() {
  if (!existsSync(program)) return undefined;
  const { stdout } = spawnSync('go', ['version', '-m', program], { encoding: 'utf8' });
  return /^\s*mod\s+github\.com\/versity\/versitygw\s+(\S+)/m.exec(stdout ?? '')?.[1];
}

function build() {
  if (spawnSync('go', ['version']).status !== 0) {
    fail('Go is not installed; with it, this builds the S3 server that the tests of the blob store need.');
  }
  console.log(`versitygw ${VERSION}: building into ${folder} …`);
  mkdirSync(folder, { recursive: true });
  const started = Date.now();
  // Not optimised: it is built more often than it is busy.
  const flags = ['-ldflags=-s -w', '-gcflags=all=-N -l'];
  const go = spawnSync('go', ['install', ...flags, `github.com/versity/versitygw/cmd/versitygw@${VERSION}`], {
    env: { ...process.env, GOBIN: folder, CGO_ENABLED: '0', GOFLAGS: '' },
    stdio: 'inherit',
  });
  if (go.status !== 0) fail(`go install failed (${go.error?.message ?? `exit code ${go.status ?? go.signal}`})`);
  console.log(`versitygw: done in ${((Date.now() - started) / 1000).toFixed(0)} s`);
}

function fail(message) {
  console.error(message);
  process.exit(1);
}
