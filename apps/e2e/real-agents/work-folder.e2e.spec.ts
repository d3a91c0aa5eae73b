import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, mkdirSync, readFileSync } from 'node:fs';
import path from 'node:path';
import { text } from 'node:stream/consumers';
import { agentHome, startFakeModel, type AgentHome, type FakeModel, type RealAgentKind } from '@holdfast/testing';
import { startStack, type Stack } from '../test/stack.js';

const agentsFolder = process.env['HOLDFAST_AGENTS'] ?? path.resolve(__dirname, '../../../.agents');
const holdfast = path.resolve(__dirname, '../../cli/bin/holdfast.mjs');

const kinds: RealAgentKind[] = ['codex', 'claude'];

describe.each(kinds)('the real %s in a local run', (harness) => {
  let model: FakeModel;
  let home: AgentHome;
  let stack: Stack;

  beforeAll(async () => {
    if (!existsSync(agentsFolder)) throw new Error('the agents are missing: run "node tools/install-agents.mjs"');
    model = await startFakeModel();
    home = await agentHome(harness, model.url);
    stack = await startStack({ runner: false });
    // Otherwise somebody would have to allow each command.
    await stack.client.project.editProjectSettings({ ProjectSettingsEdit: { allow_approval_bypass: true } });
    for (const drive of ['acp', 'cli'] as const) {
      await stack.client.agents.setAgent({ name: drive, AgentSet: { harness, drive, approvals: 'bypass' } });
    }
  }, 120_000);
  afterAll(async () => {
    await stack?.stop();
    await model?.stop();
    await home?.remove();
  }, 60_000);

  async function run(cwd: string, session: string, prompt: string, agent: string): Promise<void> {
    mkdirSync(cwd, { recursive: true });
    const child = spawn(
      process.execPath,
      [holdfast, 'run', prompt, '--local', '--session', session, '--agent', agent],
      {
        cwd,
        env: {
          PATH: process.env['PATH'],
          ...home.env,
          HOLDFAST_URL: stack.url,
          HOLDFAST_API_KEY: stack.keys.api_key,
          HOLDFAST_RUNNER_KEY: stack.keys.runner_key,
          HOLDFAST_AGENTS_DIR: agentsFolder,
        },
        stdio: ['ignore', 'pipe', 'pipe'],
      },
    );
    const [out, err, [code]] = await Promise.all([text(child.stdout), text(child.stderr), once(child, 'exit')]);
    if (code !== 0) throw new Error(`exit code ${code}: ${out}${err}`);
  }
  /** The prompts that the model was sent last, without what the program puts before them. */
  const lastPrompts = () =>
    model.log
      .filter(({ side }) => !side)
      .at(-1)!
      .conversation.flatMap(({ role, text: said }) =>
        role === 'user' ? (said.match(/\[\[\w+:pwd .*?\]\]/g) ?? []) : [],
      );

  it.each([
    ['acp', 'ask'],
    // There nobody could be asked, and nothing needs to be.
    ['cli', 'sh'],
  ])(
    'works on the files of the folder that it is started in, and takes its conversation to another one (%s)',
    async (drive, runs) => {
      const [here, there] = ['here', 'there'].map((name) => path.join(stack.folder, `${drive} ${name}`));
      const prompts = [1, 2, 3].map((turn) => `[[${runs}:pwd > where-${turn}.txt]]`);
      await run(here!, drive, prompts[0]!, drive);
      await run(there!, drive, prompts[1]!, drive);
      expect(lastPrompts()).toEqual(prompts.slice(0, 2));
      await run(here!, drive, prompts[2]!, drive);
      expect(lastPrompts()).toEqual(prompts);
      const written = [here, there, here].map((folder, turn) =>
        readFileSync(path.join(folder!, `where-${turn + 1}.txt`), 'utf8').trim(),
      );
      expect(written).toEqual([here, there, here]);
    },
    300_000,
  );
});
