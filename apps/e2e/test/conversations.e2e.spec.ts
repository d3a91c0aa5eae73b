import { randomUUID } from 'node:crypto';
import { appendFileSync, readdirSync, rmSync } from 'node:fs';
import path from 'node:path';
import { eventually } from '@holdfast/testing';
import { followUntil, isEnd, textOf, type Seen } from './follow.js';
import { service, startStack, type Service, type Stack } from './stack.js';

const runnerProgram = path.resolve(import.meta.dirname, '../../runner/dist/main.js');
const agentProgram = path.resolve(import.meta.dirname, '../../scripted-agent/dist/main.js');

/** A runner that is slow to be scheduled must not lose its lease. */
const PATIENT = { LEASE_SECONDS: '12', WATCHDOG_SECONDS: '9', STOPPING_SECONDS: '5' };

interface Machine {
  runner: Service;
  folder: string;
}

describe('the conversation of a session, on runners that come and go', () => {
  let stack: Stack;
  let session_id: string;
  const machines: Machine[] = [];

  beforeAll(async () => {
    stack = await startStack({ runner: false, env: PATIENT });
  }, 60_000);
  beforeEach(() => {
    session_id = `s-${randomUUID()}`;
  });
  afterEach(() => Promise.all(machines.splice(0).map(({ runner }) => runner.stop())), 30_000);
  afterAll(() => stack?.stop(), 30_000);

  /** A runner with a home of its own. */
  async function machine(folder = path.join(stack.folder, randomUUID())): Promise<Machine> {
    const settings = {
      PATH: process.env['PATH'] ?? '',
      HOME: folder,
      HOLDFAST_URL: stack.url,
      HOLDFAST_RUNNER_KEY: stack.keys.runner_key,
      HOLDFAST_RUNNER_DIR: folder,
      HOLDFAST_CAPTURE_SECONDS: '1',
    };
    const runner: Service = service('runner', runnerProgram, settings, async () => {
      if (!runner.output().includes('runner ready')) throw new Error('not ready yet');
    });
    machines.push({ runner, folder });
    await runner.start();
    return { runner, folder };
  }

  /** Off, with all that it had. */
  async function lose({ runner, folder }: Machine): Promise<void> {
    await runner.kill();
    rmSync(folder, { recursive: true, force: true });
  }

  const fetchTurn = (turn_id: string) => stack.client.streams.fetchSessionTurn({ turn_id });

  /** A turn to its end, and what its agent said. */
  async function turn(prompt: string, command: { fresh_start?: boolean; agent?: { name: string } } = {}) {
    const { turn_id, offset } = await stack.client.invoke({ session_id, prompt, ...command });
    const seen = await followUntil(stack, session_id, isEnd, offset);
    return { text: textOf(seen), seen, turn: await fetchTurn(turn_id) };
  }

  /** What an agent of the next turn knows of the turns before. */
  const known = async () => (await turn('[[recall]]')).text;

  const conversations = async () => {
    const query = { session_id };
    const { data } = await stack.client.nativeTranscripts.querySessionNativeConversations({
      SessionNativeConversationQuery: query,
    });
    return data;
  };
  const savedLines = async () => {
    const manifest = await stack.client.nativeTranscripts.fetchSessionNativeManifest({ session_id });
    return manifest.files.reduce((sum, { lines }) => sum + lines, 0);
  };
  const says = (text: string) => (seen: Seen) => textOf([seen]).includes(text);

  const transcriptIn = (folder: string) => {
    const kept = path.join(folder, 'sessions', session_id, '.scripted-agent');
    return path.join(kept, readdirSync(kept)[0]!);
  };

  it('goes on where the machine before is off and its home is gone, under the same id', async () => {
    const first = await machine();
    const { turn: before } = await turn('first [[say:one]]');
    await lose(first);
    const second = await machine();
    const { turn: after } = await turn('second [[say:two]]');
    expect(after.agent_session_id).toBe(before.agent_session_id);
    await lose(second);
    await machine();
    expect(await known()).toBe('1. first [[say:one]]\n2. second [[say:two]]\n');
    expect(await conversations()).toMatchObject([
      { native_id: before.agent_session_id, branches: [{ is_main: true }] },
    ]);
  }, 120_000);

  it('goes on after the machine was lost in the middle of a turn', async () => {
    const first = await machine();
    await turn('first [[say:one]]');
    const { turn_id } = await stack.client.invoke({ session_id, prompt: 'second [[listen]]' });
    // The prompt, after what the first turn left: who it is, its prompt and its reply.
    await eventually(async () => expect(await savedLines()).toBe(4), { timeout: 60_000 });
    await lose(first);
    await machine();
    const running = await eventually(
      async () => {
        const now = await fetchTurn(turn_id);
        if (now.status !== 'running' || now.attempt !== 2) throw new Error('not running again yet');
        return now;
      },
      { timeout: 120_000 },
    );
    expect(running.agent_session_id).toBe((await conversations())[0]!.native_id);
    await stack.client.invoke({ session_id, prompt: '[[say:done]]', force: true, delivery: 'in_turn' });
    await followUntil(stack, session_id, ({ event }) => event.type === 'turn.completed' && event.turn_id === turn_id);
    expect(await known()).toBe('1. first [[say:one]]\n2. second [[listen]]\n3. second [[listen]]\n');
  }, 240_000);

  it('is saved once and whole through kills of the api', async () => {
    const first = await machine();
    await turn('first [[say:one]]');
    const { turn_id } = await stack.client.invoke({ session_id, prompt: 'second [[stream:100:30]]' });
    for (const chunk of ['chunk 10 ', 'chunk 50 ']) {
      await followUntil(stack, session_id, says(chunk));
      await stack.api.kill();
      await stack.api.start();
    }
    await followUntil(stack, session_id, ({ event }) => event.type === 'turn.completed' && event.turn_id === turn_id);
    await lose(first);
    await machine();
    expect(await known()).toBe('1. first [[say:one]]\n2. second [[stream:100:30]]\n');
    expect(await savedLines()).toBe(7);
    expect((await conversations())[0]!.branches).toHaveLength(1);
  }, 240_000);

  it('goes on where a runner that stops handed its turn over', async () => {
    const first = await machine();
    await turn('first [[say:one]]');
    const { turn_id, offset } = await stack.client.invoke({ session_id, prompt: 'second [[say:!]][[listen]]' });
    await followUntil(stack, session_id, says('!'), offset);
    const second = await machine();
    await first.runner.stop();
    rmSync(first.folder, { recursive: true, force: true });
    const handedOver = await followUntil(stack, session_id, ({ event }) => event.type === 'turn.handed_over');
    await followUntil(stack, session_id, says('!'), handedOver.at(-1)!.offset);
    await stack.client.invoke({ session_id, prompt: '[[say:done]]', force: true, delivery: 'in_turn' });
    await followUntil(stack, session_id, ({ event }) => event.type === 'turn.completed' && event.turn_id === turn_id);
    expect(await fetchTurn(turn_id)).toMatchObject({ attempt: 2 });
    expect(second.runner.output()).not.toContain('resume_state_missing');
    const twice = '2. second [[say:!]][[listen]]\n3. second [[say:!]][[listen]]\n';
    expect(await known()).toBe(`1. first [[say:one]]\n${twice}`);
  }, 240_000);

  it('is brought up to date on a machine that comes back', async () => {
    const first = await machine();
    await turn('first [[say:one]]');
    await first.runner.stop();
    const second = await machine();
    await turn('second [[say:two]]');
    await second.runner.stop();
    await machine(first.folder);
    expect(await known()).toBe('1. first [[say:one]]\n2. second [[say:two]]\n');
    expect((await conversations())[0]!.branches).toHaveLength(1);
  }, 120_000);

  it('keeps what a machine that comes back has otherwise as a branch, and goes on with what was saved', async () => {
    const first = await machine();
    await turn('first [[say:one]]');
    await first.runner.stop();
    appendFileSync(transcriptIn(first.folder), '{"prompt":"only here"}\n');
    const second = await machine();
    await turn('second [[say:two]]');
    await second.runner.stop();
    await machine(first.folder);
    expect(await known()).toBe('1. first [[say:one]]\n2. second [[say:two]]\n');
    const [conversation] = await conversations();
    expect(conversation!.branches.map(({ is_main }) => is_main)).toEqual([true, false]);
    const { files } = await stack.client.nativeTranscripts.fetchSessionNativeManifest({
      conversation_id: conversation!.conversation_id,
      branch_id: conversation!.branches[1]!.branch_id,
    });
    expect(files).toMatchObject([{ name: 'main.jsonl', lines: 4 }]);
  }, 120_000);

  it('begins anew when it is told to, and the turns after it go on with the new one', async () => {
    await machine();
    const { turn: before } = await turn('first [[say:one]]');
    const { turn: fresh, text } = await turn('[[recall]]', { fresh_start: true });
    expect(text).toBe('No earlier prompts in this session.\n');
    expect(fresh.fresh_start).toBe(true);
    expect(fresh.agent_session_id).not.toBe(before.agent_session_id);
    expect(await known()).toBe('1. [[recall]]\n');
    expect((await conversations()).map(({ native_id, is_head }) => [native_id, is_head])).toEqual([
      [fresh.agent_session_id, true],
      [before.agent_session_id, false],
    ]);
  }, 120_000);

  it('is told to an agent of another harness before its prompt, where no files can be written for it', async () => {
    const command = [process.execPath, agentProgram];
    await stack.client.agents.setAgent({ name: 'other', AgentSet: { harness: 'acp', command } });
    await machine();
    await turn('remember the heron [[say:I will]]', { agent: { name: 'other' } });
    const { text, seen } = await turn('[[recall]]', { agent: { name: 'scripted' } });
    expect(text).toContain('heron');
    expect(text).toContain('I will');
    const notices = seen.filter(({ event }) => event.type === 'agent.notice').map(({ event }) => event.data['code']);
    expect(notices).toEqual(['conversation_converted']);
  }, 120_000);

  it('that began anew is all that an agent of another harness is told', async () => {
    const command = [process.execPath, agentProgram];
    const agent = { name: 'other' };
    await stack.client.agents.setAgent({ name: agent.name, AgentSet: { harness: 'acp', command } });
    await machine();
    await turn('remember the heron [[say:I will]]', { agent });
    await turn('remember the otter [[say:yes]]', { agent, fresh_start: true });
    const { text } = await turn('[[recall]]', { agent: { name: 'scripted' } });
    expect(text).toContain('otter');
    expect(text).not.toContain('heron');
  }, 120_000);

  it('is not made up: where nothing of it is left the turn fails, and a fresh start goes on', async () => {
    const command = [process.execPath, agentProgram];
    // Nobody knows where an agent of this harness keeps what it keeps.
    await stack.client.agents.setAgent({ name: 'unknown', AgentSet: { harness: 'acp', command } });
    const first = await machine();
    await turn('first [[say:one]]', { agent: { name: 'unknown' } });
    await lose(first);
    await machine();
    expect((await turn('[[recall]]')).turn).toMatchObject({
      status: 'failed',
      error: { code: 'resume_state_missing' },
    });
    expect((await turn('[[say:anew]]', { fresh_start: true })).text).toBe('anew');
  }, 120_000);
});
