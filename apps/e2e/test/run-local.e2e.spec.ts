import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { readdirSync } from 'node:fs';
import path from 'node:path';
import { eventually } from '@holdfast/testing';
import { startStack, type Stack } from './stack.js';

const bin = path.resolve(import.meta.dirname, '../../cli/bin/holdfast.mjs');
/** A machine has seconds of work to do for each of these: a command line, a runner, a watchdog, an agent. */
const PATIENCE_MS = 90_000;

describe('Ctrl-C in a local run', () => {
  let stack: Stack;
  beforeAll(async () => {
    stack = await startStack({ runner: false });
  }, 60_000);
  const running = new Set<ChildProcess>();
  afterAll(async () => {
    for (const child of running) child.kill('SIGKILL');
    await stack?.stop();
  }, 30_000);

  const runLocal = (prompt: string, session: string) => {
    const child = spawn(process.execPath, [bin, 'run', prompt, '--local', '--session', session], {
      cwd: stack.folder,
      env: {
        PATH: process.env['PATH'],
        HOME: stack.folder,
        HOLDFAST_URL: stack.url,
        HOLDFAST_API_KEY: stack.keys.api_key,
        HOLDFAST_RUNNER_KEY: stack.keys.runner_key,
      },
      stdio: ['ignore', 'pipe', 'inherit'],
    });
    running.add(child);
    const said = { out: '' };
    child.stdout.on('data', (chunk) => (said.out += chunk));
    const ended = once(child, 'close').then(([code]) => {
      running.delete(child);
      return { code: code as number | null, ...said };
    });
    const sees = (text: string) => eventually(() => expect(said.out).toContain(text), { timeout: PATIENCE_MS });
    return { child, ended, sees };
  };
  const tasksOf = async (query: { session_id: string } | { ancestor_task_id: string }) =>
    (await stack.client.tasks.querySessionTasks({ SessionTaskQuery: query })).data;
  const agentsOf = async (session_id: string) => {
    const [root] = await tasksOf({ session_id });
    const below = await tasksOf({ ancestor_task_id: root!.task_id });
    return [root!, ...below].map(({ name, state }) => [name, state]);
  };

  it.each([
    ['while its agent works', 'early', '[[hang]]', 'cancelled'],
    ['while it waits for the agents that its agent has started', 'late', '', 'succeeded'],
  ])(
    '%s, cancels what works here, and the command stays until all of it is gone',
    async (_, session, rest, itsEnd) => {
      const agents = ['one', 'two'].map((name) => ({ name, prompt: '[[hang]]', mode: 'local' }));
      const { child, ended, sees } = runLocal(`[[call:run_agents ${JSON.stringify({ agents })}]]${rest}`, session);
      const working = (own: string) => [
        [expect.any(String), own],
        ['one', 'in_progress'],
        ['two', 'in_progress'],
      ];
      await eventually(
        async () => expect(await agentsOf(session)).toEqual(working(rest ? 'in_progress' : 'succeeded')),
        { timeout: PATIENCE_MS },
      );
      if (!rest) await sees('waiting for agents on this machine: one, two   (Ctrl-C cancels them)');
      child.kill('SIGINT');
      const { code, out } = await ended;
      expect([code, out]).toEqual([130, expect.stringContaining('Ctrl-C again leaves at once')]);
      expect(await agentsOf(session)).toEqual([
        [expect.any(String), itsEnd],
        ['one', 'cancelled'],
        ['two', 'cancelled'],
      ]);
      const local = path.join(stack.folder, '.local/state/holdfast/local');
      const files = readdirSync(path.join(local, readdirSync(local)[0]!, session));
      expect(files).toContain('private-pool');
      // It is there as long as the runner is.
      expect(files).not.toContain('runner.lock');
    },
    2 * PATIENCE_MS,
  );
});
