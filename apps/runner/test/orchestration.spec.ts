import { existsSync } from 'node:fs';
import { dirname } from 'node:path';
import type { SessionTurnGrant } from '@holdfast/client';
import { ControlPlaneUnavailable } from '../src/control-plane.js';
import type { ToolsServer } from '../src/tools/tools-socket.js';
import { TurnBench } from './turn-bench.js';

/** With the real scripted agent, which starts its tools as the other agents do. */
describe('an agent that works with others', () => {
  let bench: TurnBench;
  beforeEach(() => (bench = new TurnBench()));
  afterEach(() => bench.close());

  const call = (tool: string, input: object = {}) => `[[call:${tool} ${JSON.stringify(input)}]]`;
  const treeOf = ({ session_id }: SessionTurnGrant) => bench.plane.treeOf(session_id);
  /** What its tools answered, in order. */
  const outputs = (grant: SessionTurnGrant) =>
    bench.plane
      .updates(grant)
      .filter(({ status }) => status === 'completed' || status === 'failed')
      .map(({ status, rawOutput }) => `${status as string}: ${(rawOutput as { text: string }).text}`);

  it('starts them, hears from them, and answers', async () => {
    const agents = [{ name: 'one', prompt: '[[call:send_message {"to":"parent","body":"done"}]]', mode: 'remote' }];
    const message = { to: ['one'], body: 'thank you' };
    const script = [call('run_agents', { agents }), call('wait_for_messages'), call('send_message', message)];
    const grant = bench.start(script.join(''));
    const tree = treeOf(grant);
    await tree.until(() => tree.waits.length > 0);
    const received = tree.receive('done');

    expect(await bench.plane.ended(grant)).toMatchObject({ status: 'completed' });
    expect([tree.started, tree.sent, tree.acknowledged]).toEqual([agents, [message], [received]]);
    expect(outputs(grant)).toEqual([
      expect.stringMatching(/^completed: Started 1 of 1\.\n- one: task .*, remote, queued/),
      expect.stringMatching(/^completed: From worker .*\ndone$/),
      'completed: Sent to one.',
    ]);
  });

  it('is told what went wrong, and goes on', async () => {
    const grant = bench.start(`${call('run_agents', { name: 'x', prompt: 'p', agent: 'nobody' })}[[say:alone then]]`);
    expect(await bench.plane.ended(grant)).toMatchObject({ status: 'completed' });
    expect(outputs(grant)).toEqual([expect.stringMatching(/^failed: run_agents failed \(agent_not_found\)/)]);
    expect(bench.plane.text(grant)).toBe('alone then');
  });

  it('starts each of them once while the api is away', async () => {
    const grant = bench.plane.invoke(call('run_agents', { name: 'x', prompt: 'p' }));
    const tree = treeOf(grant);
    let calls = 0;
    tree.after = () => {
      calls += 1;
      if (calls > 1) return;
      bench.plane.isDown = true;
      setTimeout(() => (bench.plane.isDown = false), 300);
      throw new ControlPlaneUnavailable('lost on the way back');
    };
    bench.turns.start(grant);
    expect(await bench.plane.ended(grant)).toMatchObject({ status: 'completed' });
    expect([tree.started.length, new Set(tree.keys).size]).toEqual([1, 1]);
    expect(tree.keys.length).toBeGreaterThan(1);
    expect(outputs(grant)).toEqual([expect.stringContaining('Started 1 of 1.')]);
  });

  it('that is cancelled while it waits ends at once, and what comes later is kept for its next turn', async () => {
    const session_id = 'waiting';
    const first = bench.start(call('wait_for_messages', { timeout_seconds: 600 }), { session_id });
    const tree = treeOf(first);
    await tree.until(() => tree.waits.length > 0);
    bench.plane.cancel(first);
    expect(await bench.plane.ended(first)).toMatchObject({ status: 'cancelled' });

    const message = tree.receive('later');
    const agentSession = bench.plane.beats.flatMap(({ turns }) => turns).at(-1)?.agent_session_id ?? null;
    const next = bench.start(call('wait_for_messages'), { session_id, resume_agent_session_id: agentSession });
    expect(await bench.plane.ended(next)).toMatchObject({ status: 'completed' });
    expect(tree.acknowledged).toEqual([message]);
  });

  it('does nothing more for a turn that another runner has', async () => {
    const grant = bench.start(`${call('wait_for_messages')}[[hang]]`);
    const tree = treeOf(grant);
    await tree.until(() => tree.waits.length > 0);
    bench.plane.fence(grant);
    tree.receive('for the other');
    await bench.beatNow();
    await Promise.all(bench.turns.all.map((host) => host.finished));
    expect(tree.acknowledged).toEqual([]);
  });

  it.each([
    ['begins a conversation', 'session/new', `{}`, null],
    ['goes on with one', 'session/load', `{ loadSession: true }`, 'old'],
    ['resumes one', 'session/resume', `{ sessionCapabilities: { resume: {} } }`, 'old'],
  ])('has its tools when it %s, for as long as its turn', async (_, method, capabilities, resume) => {
    const script = `
      const send = (message) => process.stdout.write(JSON.stringify({ jsonrpc: '2.0', ...message }) + '\\n');
      require('readline').createInterface({ input: process.stdin }).on('line', (line) => {
        const { id, method, params } = JSON.parse(line);
        if (method === 'initialize') send({ id, result: { protocolVersion: 1, agentCapabilities: ${capabilities} } });
        else if (method === 'session/prompt') {
          const update = { servers: global.servers };
          send({ method: 'session/update', params: { sessionId: 's', update } });
          send({ id, result: { stopReason: 'end_turn' } });
        } else {
          global.servers = method === '${method}' && params.mcpServers;
          send({ id, result: { sessionId: 's' } });
        }
      });`;
    const command = [process.execPath, '-e', script];
    const grants = [...Array(2).keys()].map(() =>
      bench.start('go', { harness: 'acp', command, resume_agent_session_id: resume }),
    );
    const servers = [];
    for (const grant of grants) {
      expect(await bench.plane.ended(grant)).toMatchObject({ status: 'completed' });
      servers.push((bench.plane.updates(grant)[0] as unknown as { servers: ToolsServer[] }).servers[0]!);
    }
    await Promise.all(bench.turns.all.map((host) => host.finished));
    for (const { name, command, args, env } of servers) {
      expect([name, command, args.length, env.map(({ name }) => name)]).toEqual([
        'holdfast',
        process.execPath,
        2,
        ['HOLDFAST_TOOLS_SECRET'],
      ]);
      expect(existsSync(args[0]!)).toBe(true);
      expect(existsSync(dirname(args[1]!))).toBe(false);
    }
    expect(servers[0]!.env[0]!.value).not.toBe(servers[1]!.env[0]!.value);
  });
});
