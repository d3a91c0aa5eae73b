import { execFile } from 'node:child_process';
import { rm, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { promisify } from 'node:util';

const run = promisify(execFile);
const root = path.resolve(__dirname, '../../..');
const fileName = 'planted-for-lint.ts';

interface Message {
  ruleId: string | null;
  message: string;
}
interface Planted {
  title: string;
  folder: string;
  source: string;
  /** The only rule that may speak, and a part of what it must say; null when lint must be silent. */
  expected: [rule: string, saying: RegExp] | null;
}

const BOUNDARIES = '@nx/enforce-module-boundaries';

const planted: Planted[] = [
  {
    title: 'a domain that imports a domain',
    folder: 'libs/sessions-interactions/src',
    source: `export { SessionStream } from '@holdfast/sessions-streams';`,
    expected: [BOUNDARIES, /"type:domain" can only depend on libs tagged with "type:platform"/],
  },
  {
    title: 'bullmq in a domain',
    folder: 'libs/sessions-streams/src',
    source: `export { Queue } from 'bullmq';`,
    expected: [BOUNDARIES, /"type:domain" is not allowed to import "bullmq"/],
  },
  {
    title: 'a platform library that imports a domain',
    folder: 'libs/platform-signals/src',
    source: `export { Agent } from '@holdfast/agents';`,
    expected: [BOUNDARIES, /"type:platform" can only depend on libs tagged with "type:platform"/],
  },
  {
    title: 'the client importing anything of ours',
    folder: 'libs/client/src',
    source: `export { defineError } from '@holdfast/platform-errors';`,
    expected: [BOUNDARIES, /"type:client" cannot depend on any libs/],
  },
  {
    title: 'a runner that imports a domain',
    folder: 'apps/runner/src',
    source: `export { SessionStream } from '@holdfast/sessions-streams';`,
    expected: [BOUNDARIES, /"type:tool" can only depend on libs tagged with/],
  },
  {
    title: 'a relative import into another project',
    folder: 'libs/sessions/src',
    source: `export { Agent } from '../../agents/src/index.js';`,
    expected: [BOUNDARIES, /cannot be imported by a relative or absolute path/],
  },
  {
    title: 'process.env in a library',
    folder: 'libs/platform-redis/src',
    source: `export const url = process.env['REDIS_URL'];`,
    expected: ['no-restricted-syntax', /config\.ts reads the environment/],
  },
  {
    title: 'a domain that imports the platform, which it may',
    folder: 'libs/agents/src',
    source: `export { defineError } from '@holdfast/platform-errors';`,
    expected: null,
  },
];

const fileOf = ({ folder }: Planted) => path.join(root, folder, fileName);
const messages = new Map<string, Message[]>();

/** One run for all: what takes long is the project graph. */
beforeAll(async () => {
  const env = { ...process.env, NX_DAEMON: 'false', NX_TUI: 'false' };
  // Without a cached graph the rule lets everything pass.
  await run(process.execPath, ['node_modules/nx/dist/bin/nx.js', 'show', 'projects'], { cwd: root, env });
  try {
    await Promise.all(planted.map((plant) => writeFile(fileOf(plant), `${plant.source}\n`)));
    for (const { filePath, messages: found } of await lint(planted.map(fileOf), env)) messages.set(filePath, found);
  } finally {
    await Promise.all(planted.map((plant) => rm(fileOf(plant), { force: true })));
  }
}, 120_000);

async function lint(files: string[], env: NodeJS.ProcessEnv): Promise<{ filePath: string; messages: Message[] }[]> {
  const args = ['node_modules/eslint/bin/eslint.js', '--format', 'json', ...files];
  try {
    await run(process.execPath, args, { cwd: root, env });
  } catch (error) {
    const { code, stdout, stderr } = error as { code: number; stdout: string; stderr: string };
    if (code === 1) return JSON.parse(stdout);
    throw new Error(`eslint itself failed: ${stderr}`);
  }
  throw new Error('eslint found nothing wrong with the planted files');
}

describe('lint', () => {
  it.each(planted.filter(({ expected }) => expected))('refuses $title', (plant) => {
    const [rule, saying] = plant.expected!;
    expect(messages.get(fileOf(plant))).toEqual([
      expect.objectContaining({ ruleId: rule, message: expect.stringMatching(saying) }),
    ]);
  });

  it.each(planted.filter(({ expected }) => !expected))('accepts $title', (plant) => {
    expect(messages.get(fileOf(plant))).toEqual([]);
  });
});
