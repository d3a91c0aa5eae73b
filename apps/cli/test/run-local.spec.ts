import { spawn, type ChildProcess } from 'node:child_process';
import { chmodSync, existsSync, mkdirSync, readFileSync, readdirSync, statSync } from 'node:fs';
import path from 'node:path';
import { HoldfastClient } from '@holdfast/client';
import { type ApiProcess, eventually, startApi } from '@holdfast/testing';
import { isAlive, Machine } from './machine.js';

/** A machine has seconds of work to do for each of these: a command line, a runner, a watchdog, an agent. */
const PATIENCE_MS = 90_000;

describe('a run on the machine of whoever asks for it', () => {
  let api: ApiProcess;
  let machine: Machine;
  /** A program of the user that has nothing to do with it. */
  let own: ChildProcess | undefined;
  beforeAll(async () => {
    api = await startApi();
    const variables = { HOLDFAST_RUNNER_KEY: api.runner_key, XDG_STATE_HOME: 'HOME/state' };
    machine = new Machine({ url: api.url, key: api.api_key }, { variables });
  }, PATIENCE_MS);
  afterAll(async () => {
    own?.kill('SIGKILL');
    await api?.stop();
    machine?.remove();
  }, PATIENCE_MS);

  const client = () => new HoldfastClient({ url: api.url, apiKey: api.api_key });
  const runLocal = (prompt: string, session: string, ...options: string[]) =>
    machine.start('run', prompt, '--local', '--session', session, ...options);
  const call = (tool: string, input: object) => `[[call:${tool} ${JSON.stringify(input)}]]`;
  const turnsOf = async (session_id: string) => {
    const { data } = await client().streams.querySessionTurns({ SessionTurnQuery: { session_id } });
    return data.map(({ status }) => status);
  };
  const firstWordsOf = async (session_id: string) => {
    const signal = AbortSignal.timeout(PATIENCE_MS);
    for await (const { event } of client().followSession(session_id, { offset: '-1', signal })) {
      const { sessionUpdate, content } = event.data as { sessionUpdate?: string; content?: { text: string } };
      if (sessionUpdate === 'agent_message_chunk') return content!.text;
    }
    throw new Error(`nothing was said in ${session_id}`);
  };
  /** The process id of the runner of a session; it works as long as its lock is there. */
  const runnerOf = (session_id: string) => {
    const [folder] = readdirSync(machine.path('state/holdfast/local'));
    const lock = machine.path(path.join('state/holdfast/local', folder!, session_id, 'runner.lock'));
    return existsSync(lock) ? (JSON.parse(readFileSync(lock, 'utf8')) as { pid: number }).pid : undefined;
  };

  it(
    'shows the turn, ends its runner with it, and goes on with the conversation here',
    async () => {
      const first = await runLocal('[[say:hello from here]]', 'here').ended;
      expect([first.code, first.err]).toEqual([0, '']);
      expect(first.out).toContain('session here, on this machine, private to your key; it works in ' + machine.cwd);
      expect(first.out).toContain('hello from here');
      expect(first.out).toMatch(/✓ completed\n$/);
      expect(runnerOf('here')).toBeUndefined();

      const second = await runLocal('[[recall]]', 'here').ended;
      expect(second.out).toContain('1. [[say:hello from here]]');
      expect(await turnsOf('here')).toEqual(['completed', 'completed']);
    },
    PATIENCE_MS,
  );

  it(
    'works on the files of the folder it was started in, with the agents it starts, and touches nothing else there',
    async () => {
      await client().project.editProjectSettings({ ProjectSettingsEdit: { allow_approval_bypass: true } });
      await client().agents.setAgent({ name: 'free', AgentSet: { harness: 'scripted', approvals: 'bypass' } });
      machine.write('work/own.txt', 'mine');
      chmodSync(machine.cwd, 0o755);
      chmodSync(machine.path('work/own.txt'), 0o640);
      own = spawn(process.execPath, ['-e', 'setInterval(() => {}, 1000)'], { cwd: machine.cwd, stdio: 'ignore' });
      const agents = [{ name: 'helper', prompt: '[[write:theirs.txt:by the helper]]', mode: 'local', agent: 'free' }];
      const prompt = `[[write:its.txt:by the agent]]${call('run_agents', { agents })}`;
      const { code } = await runLocal(prompt, 'writer', '--agent', 'free').ended;
      expect(code).toBe(0);
      expect(['own', 'its', 'theirs'].map((name) => machine.read(`work/${name}.txt`))).toEqual([
        'mine',
        'by the agent',
        'by the helper',
      ]);
      const modes = [machine.cwd, machine.path('work/own.txt')].map((file) => statSync(file).mode & 0o777);
      expect(modes).toEqual([0o755, 0o640]);
      expect(machine.files('work').filter((file) => !file.startsWith('.scripted-agent'))).toHaveLength(3);
      expect([own.exitCode, own.signalCode]).toEqual([null, null]);
    },
    PATIENCE_MS,
  );

  it(
    'goes on in another folder with the conversation, and without the files',
    async () => {
      mkdirSync(machine.path('elsewhere'));
      await runLocal('[[say:begun]]', 'moved').ended;
      const { code, out } = await runLocal('[[recall]]', 'moved', '--cwd', '../elsewhere').ended;
      expect(code).toBe(0);
      expect(out).toContain(`it works in ${machine.path('elsewhere')}`);
      expect(out).toContain('1. [[say:begun]]');
      const files = machine.files('elsewhere');
      expect(files).toEqual([expect.stringMatching(/^\.scripted-agent\//)]);
      expect(machine.files('work')).toEqual(expect.arrayContaining(files));
    },
    PATIENCE_MS,
  );

  it(
    'stays until the agents that its agent started here have ended too',
    async () => {
      const child = { name: 'helper', prompt: '[[stream:15:200]]', mode: 'local' };
      const { ended } = runLocal(`${call('run_agents', { agents: [child] })}[[say:mine is done]]`, 'family');
      const { code, out } = await ended;
      expect(out).toContain('mine is done');
      expect(out).toContain('waiting for agents on this machine: helper');
      expect(code).toBe(0);
      const { data } = await client().tasks.querySessionTasks({ SessionTaskQuery: { session_id: 'family' } });
      const below = await client().tasks.querySessionTasks({
        SessionTaskQuery: { ancestor_task_id: data[0]!.task_id },
      });
      expect(below.data).toMatchObject([{ name: 'helper', location: 'local', state: 'succeeded' }]);
    },
    PATIENCE_MS,
  );

  it(
    'is cancelled by Ctrl-C, with its runner',
    async () => {
      const { child, ended } = runLocal('[[say:going]][[hang]]', 'stopped');
      await eventually(
        async () => {
          expect(await turnsOf('stopped')).toEqual(['running']);
        },
        { timeout: PATIENCE_MS },
      );
      child.kill('SIGINT');
      const { code, out } = await ended;
      expect([code, out]).toEqual([130, expect.stringContaining('cancelling what runs here')]);
      expect(await turnsOf('stopped')).toEqual(['cancelled']);
      expect(runnerOf('stopped')).toBeUndefined();
    },
    PATIENCE_MS,
  );

  // Nobody stops agents here: that takes the workers.
  it.each([
    ['the first one, while its agent works', '[[hang]]', 'cancelling what runs here'],
    ['the first one, while it waits for the agents that were started', '', 'cancelling them'],
  ])(
    'leaves at once with a second Ctrl-C after %s, and nobody works on here',
    async (_, rest, cancelling) => {
      const session = rest ? 'left-early' : 'left-late';
      const agents = [{ name: 'helper', prompt: '[[daemon]][[hang]]', mode: 'local' }];
      const { child, ended, sees } = runLocal(`${call('run_agents', { agents })}${rest}`, session);
      const helper = await eventually(
        async () => {
          const { data } = await client().tasks.querySessionTasks({ SessionTaskQuery: { session_id: session } });
          const below = { ancestor_task_id: data[0]!.task_id };
          const [found] = (await client().tasks.querySessionTasks({ SessionTaskQuery: below })).data;
          expect(found).toMatchObject({ state: 'in_progress' });
          return found!.session_id!;
        },
        { timeout: PATIENCE_MS },
      );
      const daemon = parseInt(await firstWordsOf(helper), 10);
      expect(isAlive(daemon)).toBe(true);
      if (!rest) await sees('waiting for agents on this machine: helper   (Ctrl-C cancels them)');
      child.kill('SIGINT');
      await sees(cancelling);
      if (rest) await sees('waiting for agents on this machine: helper   (Ctrl-C leaves at once)');
      child.kill('SIGINT');
      expect((await ended).code).toBe(130);
      await eventually(() => expect([runnerOf(session), isAlive(daemon)]).toEqual([undefined, false]), {
        timeout: PATIENCE_MS,
      });
      expect(await turnsOf(helper)).toEqual(['queued']);
    },
    2 * PATIENCE_MS,
  );

  it(
    'leaves no runner behind when the command is killed',
    async () => {
      const { child, ended } = runLocal('[[say:going]][[hang]]', 'killed');
      await eventually(
        async () => {
          expect(await turnsOf('killed')).toEqual(['running']);
        },
        { timeout: PATIENCE_MS },
      );
      expect(runnerOf('killed')).toEqual(expect.any(Number));
      child.kill('SIGKILL');
      await ended;
      await eventually(() => expect(runnerOf('killed')).toBeUndefined(), { timeout: PATIENCE_MS });
      expect(await turnsOf('killed')).toEqual(['queued']);
    },
    PATIENCE_MS,
  );

  it(
    'says so and ends when its runner is gone, and cancels nothing',
    async () => {
      const { ended, sees } = runLocal('[[say:going]][[hang]]', 'orphaned');
      await sees('going');
      process.kill(runnerOf('orphaned')!, 'SIGKILL');
      const { code, out } = await ended;
      expect([code, out]).toEqual([130, expect.stringContaining('the runner of this machine has ended')]);
      expect(out).not.toContain('cancelling');
    },
    PATIENCE_MS,
  );

  it('says what to do where it has no runner key', async () => {
    const other = new Machine({ url: api.url, key: api.api_key });
    const { code, err } = await other.run('run', 'hi', '--local');
    other.remove();
    expect([code, err]).toEqual([1, expect.stringContaining('HOLDFAST_RUNNER_KEY=')]);
  });

  it('says what the api has against its runner key', async () => {
    const variables = { HOLDFAST_RUNNER_KEY: 'hf_runner_00000000_wrong' };
    const other = new Machine({ url: api.url, key: api.api_key }, { variables });
    const { code, err } = await other.run('run', 'hi', '--local');
    other.remove();
    expect([code, err]).toEqual([1, expect.stringContaining('does not accept this runner')]);
  });

  it.each([
    ['is not there', 'nowhere'],
    ['is a file', '../kept.txt'],
  ])('starts nothing where the folder to work in %s', async (_, folder) => {
    machine.write('kept.txt', '');
    const { code, err } = await machine.run('run', 'hi', '--local', '--session', 'unborn', '--cwd', folder);
    const expected = `There is no folder ${path.resolve(machine.cwd, folder)} for the agent to work in.`;
    expect([code, err]).toEqual([1, expect.stringContaining(expected)]);
    await expect(turnsOf('unborn')).rejects.toMatchObject({ code: 'session_not_found' });
  });

  it('takes no --cwd for a run that is not here', async () => {
    const { code, err } = await machine.run('run', 'hi', '--session', 'unborn', '--cwd', '.');
    expect([code, err]).toEqual([1, expect.stringContaining('--cwd goes with --local')]);
    await expect(turnsOf('unborn')).rejects.toMatchObject({ code: 'session_not_found' });
  });

  it.each(['--queue', '--steer', '--detach'])('does not go with %s', async (option) => {
    const { code, err } = await machine.run('run', 'hi', '--local', option);
    expect([code, err]).toEqual([1, expect.stringContaining('do not go with --local')]);
  });
});
