import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { freePort } from '@holdfast/platform-embedded';

const settings = new URL('../../docker/proxy/nginx.conf', import.meta.url);

/** nginx as in docker/proxy, except that the addresses of the api are these ports and its own port is any free one. */
export async function startProxy(folder, apiPorts) {
  mkdirSync(folder);
  const port = await freePort();
  const servers = apiPorts.map((apiPort) => `server 127.0.0.1:${apiPort};`).join('\n    ');
  writeFileSync(path.join(folder, 'upstream.conf'), `upstream api {\n    ${servers}\n    keepalive 32;\n}\n`);
  const file = path.join(folder, 'nginx.conf');
  writeFileSync(file, readFileSync(settings, 'utf8').replace('listen 8080;', `listen 127.0.0.1:${port};`));

  const own = `daemon off; pid ${path.join(folder, 'nginx.pid')};`;
  const args = ['-p', folder, '-c', file, '-e', 'stderr', '-g', own];
  const nginx = spawn('nginx', args, { stdio: ['ignore', 'ignore', 'pipe'] });
  let output = '';
  nginx.stderr.on('data', (chunk) => (output += chunk));
  nginx.once('error', (error) => (output += `nginx cannot be run: ${error.message}`));

  const url = `http://127.0.0.1:${port}`;
  for (const endsAt = Date.now() + 10_000; ; await sleep(50)) {
    const answer = await fetch(`${url}/health/ready`).catch(() => undefined);
    if (answer?.ok) break;
    if (Date.now() > endsAt) throw new Error(`the proxy is not ready: ${output}`);
  }
  return {
    url,
    async stop() {
      const exit = once(nginx, 'exit');
      nginx.kill('SIGTERM');
      await exit;
    },
  };
}
