// node tools/check-client-package.mjs: does what a user of the published client does. Packs libs/client as it is built,
// installs it in an empty project, type-checks a program that uses it, and runs a session with that.
import { spawn } from 'node:child_process';
import { rmSync } from 'node:fs';
import { createInterface } from 'node:readline';
import { chmod, mkdtemp, readFile, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { step } from './generate/step.mjs';

const root = fileURLToPath(new URL('..', import.meta.url));
const START_TIMEOUT_MS = 120_000;

const PROGRAM = `
import { HoldfastClient, HoldfastError, type SessionEvent, type SessionTurn } from '@holdfast/client';

const client = new HoldfastClient({ url: process.env.HOLDFAST_URL!, apiKey: process.env.HOLDFAST_API_KEY! });
const session_id = \`package-check-\${Date.now()}\`;
const prompt = '[[say:Before.]] [[ask:Go on]] [[say:After.]]';
const { turn_id } = await client.invoke({ session_id, prompt, agent: { name: 'scripted' } });

let words = '';
const signal = AbortSignal.timeout(60_000);
for await (const { event, offset } of client.followSession(session_id, { signal })) {
  if (offset.length !== 33) throw new Error(\`\${offset} is no offset\`);
  words += wordsOf(event);
  if (event.type === 'interaction.requested') {
    await client.respond(String(event.data['interaction_id']), { decision: 'allow' });
  }
  if (event.type === 'turn.completed') break;
}
if (!words.includes('Before.') || !words.includes('After.')) throw new Error(\`the agent said only: \${words}\`);

const turn: SessionTurn = await client.streams.fetchSessionTurn({ turn_id });
if (turn.status !== 'completed' || !(turn.ended_at instanceof Date)) throw new Error(\`the turn is \${turn.status}\`);

const refusal: unknown = await client.sessions.fetchSession({ session_id: 'nobody' }).catch((error: unknown) => error);
if (!(refusal instanceof HoldfastError) || refusal.code !== 'session_not_found') throw refusal;
console.log(\`session \${session_id} ran to its end\`);

function wordsOf({ type, data }: SessionEvent): string {
  if (type !== 'agent.update' || data['sessionUpdate'] !== 'agent_message_chunk') return '';
  return (data['content'] as { text: string }).text;
}
`;

const TSCONFIG = {
  compilerOptions: { module: 'nodenext', target: 'es2022', strict: true, types: ['node'] },
  files: ['program.ts'],
};

if (process.argv.includes('--help')) {
  console.log(`node tools/check-client-package.mjs

Packs libs/client (build it first), installs the package in an empty project, type-checks a program there, and runs a
session with it. The api is the one of HOLDFAST_URL and HOLDFAST_API_KEY; without them a private one is started.`);
  process.exit(0);
}

const folder = await mkdtemp(path.join(tmpdir(), 'holdfast-client-package-'));
// PostgreSQL runs as another user where this one is root, and would keep its data elsewhere.
await chmod(folder, 0o755);
const holdfast = { stop: async () => {} };
// A step that fails ends the process at once.
process.on('exit', () => {
  holdfast.kill?.();
  rmSync(folder, { recursive: true, force: true });
});
try {
  const tarball = await pack();
  await install(tarball);
  await step('type-check a program', 'npx', ['tsc'], { cwd: folder });
  const endpoint = await findEndpoint();
  const env = { HOLDFAST_URL: endpoint.url, HOLDFAST_API_KEY: endpoint.apiKey };
  await step('run a session with it', process.execPath, ['program.js'], { cwd: folder, env });
} finally {
  await holdfast.stop();
}

async function pack() {
  await step('pack libs/client', 'npm', ['pack', './libs/client', '--pack-destination', folder], { cwd: root });
  const { name, version } = JSON.parse(await readFile(path.join(root, 'libs/client/package.json'), 'utf8'));
  return `./${name.replace('@', '').replace('/', '-')}-${version}.tgz`;
}

async function install(tarball) {
  const { devDependencies } = JSON.parse(await readFile(path.join(root, 'package.json'), 'utf8'));
  await writeFile(path.join(folder, 'package.json'), JSON.stringify({ private: true, type: 'module' }));
  await writeFile(path.join(folder, 'tsconfig.json'), JSON.stringify(TSCONFIG));
  await writeFile(path.join(folder, 'program.ts'), PROGRAM);
  const others = ['typescript', '@types/node'].map((name) => `${name}@${devDependencies[name]}`);
  const flags = ['--no-audit', '--no-fund'];
  await step('install it in an empty project', 'npm', ['install', ...flags, tarball, ...others], { cwd: folder });
}

async function findEndpoint() {
  const { HOLDFAST_URL: url, HOLDFAST_API_KEY: apiKey } = process.env;
  if (url && apiKey) return { url, apiKey };
  process.stdout.write('start Holdfast … ');
  const home = path.join(folder, 'holdfast');
  const env = { ...process.env, HOLDFAST_HOME: home, HOLDFAST_PORT: '0' };
  const child = spawn(process.execPath, ['tools/start.mjs'], { cwd: root, env, stdio: ['ignore', 'pipe', 'inherit'] });
  const ended = new Promise((resolve) => child.once('exit', resolve));
  holdfast.kill = () => child.kill('SIGTERM');
  holdfast.stop = () => (holdfast.kill(), ended);
  await ready(child);
  console.log('ready');
  return JSON.parse(await readFile(path.join(home, 'endpoint.json'), 'utf8'));
}

function ready(child) {
  return new Promise((resolve, reject) => {
    const said = [];
    const fail = (reason) => reject(new Error(`Holdfast ${reason}:\n${said.join('\n')}`));
    const timer = setTimeout(() => fail('was not ready in time'), START_TIMEOUT_MS);
    child.once('exit', (code) => fail(`ended with ${code}`));
    createInterface({ input: child.stdout }).on('line', (line) => {
      said.push(line);
      if (!line.startsWith('ready ')) return;
      clearTimeout(timer);
      resolve();
    });
  });
}
