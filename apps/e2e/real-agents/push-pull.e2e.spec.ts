import { randomUUID } from 'node:crypto';
import { existsSync } from 'node:fs';
import path from 'node:path';
import { agentHome, startFakeModel, type AgentHome, type FakeModel, type RealAgentKind } from '@holdfast/testing';
import { followUntil, isEnd } from '../test/follow.js';
import { startStack, type Stack } from '../test/stack.js';
import { NativeMachine } from './native-machine.js';

const agentsFolder = process.env['HOLDFAST_AGENTS'] ?? path.resolve(__dirname, '../../../.agents');
const holdfast = path.resolve(__dirname, '../../cli/bin/holdfast.mjs');
const turnMs = 120_000;

const agents: [RealAgentKind, { takesId: boolean; model?: string }][] = [
  ['codex', { takesId: false }],
  ['claude', { takesId: true }],
  // Without a model Gemini CLI would have another one choose it first.
  ['gemini', { takesId: true, model: 'gemini-2.5-flash' }],
  ['opencode', { takesId: false }],
];

describe.each(agents)(
  'a conversation of the real %s, between a session and a terminal',
  (kind, { takesId, model: of }) => {
    let model: FakeModel;
    let home: AgentHome;
    let stack: Stack;
    const machines: NativeMachine[] = [];

    beforeAll(async () => {
      if (!existsSync(agentsFolder)) throw new Error('the agents are missing: run "node tools/install-agents.mjs"');
      model = await startFakeModel();
      home = await agentHome(kind, model.url);
      stack = await startStack({ env: { ...home.env, HOLDFAST_AGENTS_DIR: agentsFolder } });
      const drives = ['acp', 'cli'] as const;
      for (const drive of drives) {
        await stack.client.agents.setAgent({
          name: drive,
          AgentSet: { harness: kind, drive, ...(of && { model: of }) },
        });
      }
    }, 120_000);
    afterAll(async () => {
      for (const machine of machines) await machine.remove();
      await stack?.stop();
      await model?.stop();
      await home?.remove();
    }, 60_000);

    const machine = async (cwd: string) => {
      const made = await NativeMachine.start(kind, model.url, agentsFolder, cwd);
      machines.push(made);
      return made;
    };
    /** Runs the command line there, as its user would. */
    const run = async (on: NativeMachine, ...args: string[]) => {
      const env = { HOLDFAST_URL: stack.url, HOLDFAST_API_KEY: stack.keys.api_key };
      const argv: [string, ...string[]] = [process.execPath, holdfast, ...args, '--json'];
      const { out, err } = await on.run({ argv, env, stdin: null, files: [], display: '' });
      if (!out) throw new Error(err);
      return JSON.parse(out) as Record<string, unknown>;
    };
    const push = (on: NativeMachine, native_id: string, session: string) =>
      run(on, 'push', '--harness', kind, '--native-id', native_id, '--session', session);
    const say = async (session_id: string, words: string, name: 'acp' | 'cli') => {
      const { turn_id } = await stack.client.invoke({ session_id, prompt: `[[say:${words}]]`, agent: { name } });
      const isLast = (seen: Parameters<typeof isEnd>[0]) => isEnd(seen) && seen.event.turn_id === turn_id;
      const seen = await followUntil(stack, session_id, isLast, '-1', turnMs);
      expect(seen.at(-1)!.event).toMatchObject({ type: 'turn.completed' });
    };
    const sayThere = async (on: NativeMachine, native_id: string, words: string) => {
      const { code, err, out } = await on.goOn(native_id, `[[say:${words}]]`);
      if (code !== 0) throw new Error(`exit code ${code}: ${err}\n${out}`);
    };
    /** What the model was sent last of these words, prompts and answers, and what it answered. */
    const lastExchange = () => {
      const { conversation, reply } = model.log.filter((entry) => !entry.side).at(-1)!;
      const said = reply.parts.flatMap((part) => ('say' in part ? [part.say] : [])).join('');
      const spoken = conversation.flatMap(({ role, text }) =>
        [...text.matchAll(/turn \w+( of \w+)?/g)].map(([words]) => `${role}: ${words}`),
      );
      return [...spoken, `assistant: ${said}`];
    };
    const exchanges = (...words: string[]) => words.flatMap((one) => [`user: ${one}`, `assistant: ${one}`]);

    it('goes on in a terminal where the session ended, and in the session where the terminal ended', async () => {
      const session = `s-${randomUUID()}`;
      await say(session, 'turn one', 'acp');
      await say(session, 'turn two', 'cli');
      const laptop = await machine("my work/it's here");
      const pulled = await run(laptop, 'pull', session);
      expect(pulled).toMatchObject({ result: 'written', harness: kind, kept: null });
      const native_id = pulled['native_id'] as string;
      expect(await push(laptop, native_id, session)).toMatchObject({ result: 'up_to_date', sent_bytes: 0 });

      await sayThere(laptop, native_id, 'turn three');
      expect(lastExchange()).toEqual(exchanges('turn one', 'turn two', 'turn three'));
      expect(await run(laptop, 'pull', session)).toMatchObject({ result: 'ahead' });
      expect(await push(laptop, native_id, session)).toMatchObject({ result: 'updated', is_main_branch: true });

      await say(session, 'turn four', 'acp');
      const all = ['turn one', 'turn two', 'turn three', 'turn four'];
      expect(lastExchange()).toEqual(exchanges(...all));

      expect(await run(laptop, 'pull', session)).toMatchObject({ result: 'written', native_id, kept: null });
      await sayThere(laptop, native_id, 'turn five');
      expect(lastExchange()).toEqual(exchanges(...all, 'turn five'));
    }, 600_000);

    it('that began in a terminal goes on in a session; what went another way becomes a branch', async () => {
      const session = `s-${randomUUID()}`;
      const laptop = await machine('work');
      const native_id = await laptop.begin('[[say:turn one]]', takesId ? randomUUID() : null);
      expect(await push(laptop, native_id, session)).toMatchObject({ result: 'created', version: 1 });
      expect(await push(laptop, native_id, session)).toMatchObject({ result: 'up_to_date', sent_bytes: 0 });
      await say(session, 'turn two of session', 'acp');
      expect(lastExchange()).toEqual(exchanges('turn one', 'turn two of session'));

      await sayThere(laptop, native_id, 'turn two of laptop');
      expect(lastExchange()).toEqual(exchanges('turn one', 'turn two of laptop'));
      expect(await run(laptop, 'pull', session)).toMatchObject({ result: 'failed', code: 'local_copy_diverged' });
      const branch = await push(laptop, native_id, session);
      expect(branch).toMatchObject({ result: 'branched', is_main_branch: false });

      expect(await run(laptop, 'pull', session)).toMatchObject({ result: 'written', kept: null });
      await sayThere(laptop, native_id, 'turn three');
      expect(lastExchange()).toEqual(exchanges('turn one', 'turn two of session', 'turn three'));

      const other = await machine('elsewhere');
      const named = ['--branch', branch['branch_id'] as string];
      expect(await run(other, 'pull', session, ...named)).toMatchObject({ result: 'written', native_id });
      await sayThere(other, native_id, 'turn three of branch');
      expect(lastExchange()).toEqual(exchanges('turn one', 'turn two of laptop', 'turn three of branch'));
    }, 600_000);
  },
);
