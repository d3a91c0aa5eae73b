import { existsSync, statSync } from 'node:fs';
import { createConnection } from 'node:net';
import { dirname, join } from 'node:path';
import { pino } from 'pino';
import { ControlPlaneUnavailable, StaleEpoch } from '../src/control-plane.js';
import { ToolsSocket } from '../src/tools/tools-socket.js';
import { TurnTools } from '../src/tools/turn-tools.js';
import { MemoryTurnTree } from './memory-turn-tree.js';
import { ToolsClient } from './tools-client.js';

const bridgePath = join(__dirname, '../dist/tools/tools-bridge.js');
const log = pino({ level: process.env.TEST_LOG_LEVEL ?? 'silent' });
/** Answers of an api that is away for a moment. */
const lost = () => new ControlPlaneUnavailable('lost');

describe("the tools of a turn's agent", () => {
  let tree: MemoryTurnTree;
  let tools: TurnTools;
  let socket: ToolsSocket;
  let clients: ToolsClient[];
  let turnLost: AbortController;

  beforeEach(async () => {
    tree = new MemoryTurnTree();
    turnLost = new AbortController();
    clients = [];
    await serve();
  });
  afterEach(async () => {
    await Promise.all(clients.map((client) => client.close()));
    await close();
  });

  async function serve(timings = { patienceMs: 20_000, progressMs: 10_000 }): Promise<void> {
    tools = new TurnTools(tree, turnLost.signal, log, timings);
    socket = await ToolsSocket.open(bridgePath, tools, log);
  }

  async function close(): Promise<void> {
    tools.stop();
    await socket.close();
  }

  async function connect(): Promise<ToolsClient> {
    const client = await ToolsClient.start(socket.server);
    clients.push(client);
    return client;
  }

  const socketPath = () => socket.server.args[1]!;
  /** What a connection is answered that says `greeting` first, until it is closed. */
  const greet = (greeting: string) =>
    new Promise<string>((resolve) => {
      let heard = '';
      const list = JSON.stringify({ jsonrpc: '2.0', id: 1, method: 'ping' });
      const connection = createConnection(socketPath(), () => connection.write(`${greeting}\n${list}\n`));
      connection.on('error', () => undefined).on('close', () => resolve(heard));
      connection.on('data', (chunk) => {
        heard += chunk;
        connection.end();
      });
    });

  describe('are reached', () => {
    it('through a program that the agent starts, by their names', async () => {
      const client = await connect();
      expect(await client.names()).toEqual(['run_agents', 'send_message', 'wait_for_messages']);
    });

    it('by nobody who is another user, or does not know the secret of the turn', async () => {
      expect(statSync(dirname(socketPath())).mode & 0o777).toBe(0o700);
      const secret = socket.server.env[0]!.value;
      expect(secret).toMatch(/^[0-9a-f]{64}$/);
      expect(await greet(secret)).toContain('"result":{}');
      for (const wrong of ['', secret.slice(1), secret.toUpperCase(), `${secret}0`, 'x'.repeat(100_000)]) {
        expect(await greet(wrong)).toBe('');
      }
    });

    it('with a secret of its own by each turn', async () => {
      const other = await ToolsSocket.open(bridgePath, tools, log);
      expect(other.server.env[0]!.value).not.toBe(socket.server.env[0]!.value);
      await other.close();
    });

    it('by several programs of one agent at once, but not by any number', async () => {
      const secret = socket.server.env[0]!.value;
      const held = await Promise.all([...Array(8).keys()].map(() => connect()));
      expect(await greet(secret)).toBe('');
      expect(await held[7]!.names()).toHaveLength(3);
      await held[0]!.close();
      await held[0]!.closed;
      // The runner sees it a moment later.
      while ((await greet(secret)) === '');
    });

    it('by no line that has no end', async () => {
      const connection = createConnection(socketPath(), () => connection.write(`${socket.server.env[0]!.value}\n`));
      const closed = new Promise((resolve) => connection.on('error', () => undefined).on('close', resolve));
      const flood = () => {
        while (!connection.destroyed && connection.write('x'.repeat(1024 * 1024)));
      };
      connection.on('drain', flood).once('connect', flood);
      await closed;
    });

    it('not after the turn: the folder is gone, and who was connected is told so', async () => {
      const client = await connect();
      await close();
      await client.closed;
      expect(existsSync(dirname(socketPath()))).toBe(false);
      await expect(ToolsClient.start(socket.server)).rejects.toThrow();
    });
  });

  describe('run_agents', () => {
    it('starts agents and tells what became of each, in text and as data', async () => {
      const client = await connect();
      const agents = [
        { name: 'one', prompt: 'first' },
        { name: 'two', prompt: 'second', mode: 'local', agent: 'claude', title: 'Second' },
        { name: 'three', prompt: 'third', agent: 'nobody' },
      ];
      const { isError, text, told } = await client.call('run_agents', { agents });
      expect(tree.started).toEqual([
        { name: 'one', prompt: 'first' },
        { name: 'two', prompt: 'second', mode: 'local', agent: { name: 'claude' }, title: 'Second' },
        { name: 'three', prompt: 'third', agent: { name: 'nobody' } },
      ]);
      expect(isError).toBe(false);
      const [one, two, three] = told['agents'] as { task_id: string }[];
      expect(text.split('\n')).toEqual([
        'Started 2 of 3.',
        `- one: task ${one!.task_id}, session task-${one!.task_id}, remote, queued`,
        `- two: task ${two!.task_id}, session task-${two!.task_id}, local, queued`,
        '- three: not started (agent_not_found): No agent "nobody".',
        expect.stringContaining('wait_for_messages'),
      ]);
      expect(three).toMatchObject({ state: 'failed', session_id: null });
    });

    it('takes one agent without a list around it', async () => {
      const client = await connect();
      expect(await client.call('run_agents', { mode: 'remote', name: 'one', prompt: 'p' })).toMatchObject({
        isError: false,
      });
      expect(tree.started).toEqual([{ name: 'one', prompt: 'p', mode: 'remote' }]);
    });

    it.each([
      [{}, '"name"'],
      [{ agents: [] }, '1 to 20'],
      [{ agents: Array(21).fill({ name: 'n', prompt: 'p' }) }, '1 to 20'],
      [{ agents: ['x'] }, 'an object'],
      [{ agents: [{ name: ' ', prompt: 'p' }] }, '"name"'],
      [{ agents: [{ name: 'n', prompt: 'p', mode: 'cloud' }] }, "'local' or 'remote'"],
      [
        {
          agents: [
            { name: 'n', prompt: 'p' },
            { name: 'n', prompt: 'x'.repeat(262_145) },
          ],
        },
        'agents[1].prompt',
      ],
    ])('refuses what it cannot use and says what to correct: %#', async (input, words) => {
      const client = await connect();
      const { isError, text, told } = await client.call('run_agents', input);
      expect([isError, text]).toEqual([true, expect.stringContaining(words)]);
      expect(told).toMatchObject({ error: { code: 'arguments_invalid', next: expect.stringContaining('Correct') } });
      expect(tree.keys).toEqual([]);
    });

    it('passes a refusal of the api on, with what to do next', async () => {
      const client = await connect();
      const { isError, text, told } = await client.call('run_agents', { name: 'n', prompt: 'p', agent: 'nobody' });
      expect([isError, told]).toMatchObject([true, { error: { code: 'agent_not_found' } }]);
      expect(text).toMatch(/^run_agents failed \(agent_not_found\): No agent "nobody"\.\nLeave "agent" out/);
    });

    it('does it once while requests and answers are lost, under one key a call', async () => {
      const client = await connect();
      let calls = 0;
      const lose = (which: number[]) => () => {
        calls += 1;
        if (which.includes(calls)) throw lost();
      };
      tree.before = lose([1, 3]);
      tree.after = lose([5]);
      await client.call('run_agents', { name: 'one', prompt: 'p' });
      expect(tree.started).toHaveLength(1);
      const keysOfFirst = new Set(tree.keys.splice(0));
      expect(keysOfFirst.size).toBe(1);
      await client.call('run_agents', { name: 'one', prompt: 'p' });
      expect(tree.started).toHaveLength(2);
      expect(keysOfFirst).not.toContain(tree.keys[0]);
    });

    it('that had no answer is done once also when the agent repeats it', async () => {
      await close();
      await serve({ patienceMs: 1_000, progressMs: 10_000 });
      const client = await connect();
      tree.after = () => {
        throw lost();
      };
      const agent = { name: 'one', prompt: 'p' };
      const { isError, text } = await client.call('run_agents', agent);
      expect([isError, text]).toEqual([true, expect.stringMatching(/api_unavailable[\s\S]*same arguments/)]);
      tree.after = () => undefined;
      expect(await client.call('run_agents', agent)).toMatchObject({ isError: false });
      expect(tree.started).toEqual([agent]);
    });
  });

  describe('send_message', () => {
    it('sends to agents by id, by name and by place in the tree', async () => {
      const client = await connect();
      const message = { to: ['parent', 'worker'], subject: 's', body: 'b' };
      expect(await client.call('send_message', message)).toMatchObject({
        isError: false,
        text: 'Sent to parent, worker.',
        told: { message_id: expect.any(String), to_task_ids: [expect.any(String), expect.any(String)] },
      });
      await client.call('send_message', { to: 'parent', subject: null, body: 'b' });
      expect(tree.sent).toEqual([message, { to: ['parent'], body: 'b' }]);
    });

    it.each([
      [{ to: [], body: 'b' }, '"to"'],
      [{ to: 'x', body: '' }, '"body"'],
      [{ to: 'x', body: 'é'.repeat(32_769) }, '65536 bytes'],
    ])('refuses what it cannot use: %#', async (input, words) => {
      const client = await connect();
      expect(await client.call('send_message', input)).toMatchObject({
        isError: true,
        text: expect.stringContaining(words),
      });
    });
  });

  describe('wait_for_messages', () => {
    it('answers as soon as there is a message, and tells the api once the agent has it', async () => {
      const client = await connect();
      const waiting = client.call('wait_for_messages');
      await tree.until(() => tree.waits.length === 1);
      expect(tree.acknowledged).toEqual([]);
      const first = tree.receive('hello', { subject: 'greeting' });
      const { text, told } = await waiting;
      expect(text).toBe('From worker (task 00000000-0000-4000-8000-000000000001): greeting\nhello');
      expect(told).toMatchObject({ messages: [{ message_id: first, kind: 'message', body: 'hello' }] });
      await tree.until(() => tree.acknowledged.includes(first));

      tree.receive('', { kind: 'lifecycle', subject: 'succeeded' });
      expect((await client.call('wait_for_messages')).text).toMatch(/^News of worker .*: succeeded$/);
    });

    it('shows each message once, also while the api does not take that the agent has it', async () => {
      const client = await connect();
      tree.receive('first');
      let refused = 0;
      tree.beforeDelivered = () => {
        refused += 1;
        if (refused < 3) throw lost();
      };
      expect((await client.call('wait_for_messages')).text).toContain('first');
      const second = client.call('wait_for_messages');
      tree.receive('second');
      expect((await second).text).toMatch(/^From worker .*\nsecond$/);
      await tools.settled(true);
      expect(tree.acknowledged).toHaveLength(2);
    });

    it('loses no message that came for a call which nobody waits for any more', async () => {
      const client = await connect();
      const cancelled = new AbortController();
      const waiting = client.call('wait_for_messages', {}, cancelled.signal);
      await tree.until(() => tree.waits.length === 1);
      cancelled.abort();
      await expect(waiting).rejects.toThrow();
      tree.receive('kept');
      expect((await client.call('wait_for_messages')).text).toContain('kept');
    });

    it('leaves to the end of the turn who is to have a message that the agent may not have read', async () => {
      for (const isCompleted of [false, true]) {
        const message = tree.receive(`completed: ${isCompleted}`);
        const client = await connect();
        await client.call('wait_for_messages');
        await client.close();
        await close();
        await tools.settled(isCompleted);
        expect(tree.acknowledged.includes(message)).toBe(isCompleted);
        await serve();
      }
    });

    it('loses no message that came when the connection was gone', async () => {
      const first = await connect();
      const waiting = first.call('wait_for_messages').catch(() => undefined);
      await tree.until(() => tree.waits.length === 1);
      await first.close();
      await waiting;
      tree.receive('kept');
      const second = await connect();
      let answer = await second.call('wait_for_messages');
      // Until the runner has seen that the first connection is gone.
      while (answer.isError) answer = await second.call('wait_for_messages');
      expect(answer.text).toContain('kept');
    });

    it('waits for as long as it is told, by calls that are as long as the api takes, and says that it lives', async () => {
      await close();
      await serve({ patienceMs: 20_000, progressMs: 20 });
      tree.haste = 1_000;
      const client = await connect();
      const waiting = client.call('wait_for_messages', { timeout_seconds: 600 });
      await tree.until(() => tree.waits.length >= 2);
      tree.receive('at last');
      expect((await waiting).text).toContain('at last');
      expect(tree.waits.slice(0, 2)).toEqual([50, 50]);
      expect(client.progress.length).toBeGreaterThan(0);
    });

    it('answers that there is none when its time is over', async () => {
      const client = await connect();
      expect(await client.call('wait_for_messages', { timeout_seconds: 0 })).toEqual({
        isError: false,
        text: expect.stringContaining('No message came in 0 s.'),
        told: { messages: [] },
      });
    });

    it('waits on while the api is away', async () => {
      const client = await connect();
      let calls = 0;
      tree.before = () => {
        calls += 1;
        if (calls < 4) throw lost();
      };
      tree.receive('after all');
      expect((await client.call('wait_for_messages')).text).toContain('after all');
    });

    it('is not made twice at once', async () => {
      const client = await connect();
      const waiting = client.call('wait_for_messages');
      await tree.until(() => tree.waits.length === 1);
      expect(await client.call('wait_for_messages')).toMatchObject({
        isError: true,
        told: { error: { code: 'too_many_calls' } },
      });
      tree.receive('x');
      expect(await waiting).toMatchObject({ isError: false });
    });

    it('refuses longer waits than the longest', async () => {
      const client = await connect();
      expect(await client.call('wait_for_messages', { timeout_seconds: 601 })).toMatchObject({
        isError: true,
        text: expect.stringContaining('600'),
      });
    });
  });

  it('answer a call that runs when the turn is stopped, and refuse those after it', async () => {
    const client = await connect();
    const waiting = client.call('wait_for_messages');
    await tree.until(() => tree.waits.length === 1);
    tools.stop();
    for (const answer of [await waiting, await client.call('run_agents', { name: 'n', prompt: 'p' })]) {
      expect(answer).toMatchObject({ isError: true, told: { error: { code: 'turn_over' } } });
    }
    expect(tree.started).toEqual([]);
  });

  it('do nothing for a turn that is not current any more', async () => {
    const client = await connect();
    tree.before = () => {
      throw new StaleEpoch('the epoch has moved');
    };
    expect(await client.call('run_agents', { name: 'n', prompt: 'p' })).toMatchObject({
      isError: true,
      told: { error: { code: 'turn_not_current' } },
    });
  });

  it('run at most sixteen calls at once', async () => {
    const client = await connect();
    let open: () => void = () => undefined;
    tree.before = () => new Promise<void>((resolve) => (open = mergedWith(open, resolve)));
    const calls = [...Array(17).keys()].map((n) => client.call('send_message', { to: 'parent', body: `${n}` }));
    expect(await Promise.race(calls)).toMatchObject({ isError: true, told: { error: { code: 'too_many_calls' } } });
    await tree.until(() => tree.keys.length === 16);
    open();
    expect((await Promise.all(calls)).filter(({ isError }) => isError)).toHaveLength(1);
  });

  it('say so where a tool is not known', async () => {
    const client = await connect();
    expect(await client.call('rm')).toMatchObject({ isError: true, told: { error: { code: 'tool_unknown' } } });
  });
});

function mergedWith(before: () => void, next: () => void): () => void {
  return () => {
    before();
    next();
  };
}
