import { existsSync, statSync } from 'node:fs';
import { join } from 'node:path';
import type { SessionTurnGrant } from '@holdfast/client';
import { ControlPlaneRefusal, ControlPlaneUnavailable } from '../src/control-plane.js';
import { processIsGone } from './processes.js';
import { TurnBench } from './turn-bench.js';

describe('a hosted turn', () => {
  let bench: TurnBench;

  beforeEach(() => {
    bench = new TurnBench();
  });

  afterEach(async () => {
    await bench.close();
  });

  it('runs the prompt and ends with the stop reason and usage of the agent', async () => {
    const grant = bench.start('[[say:Hello ]][[think:hm]][[say:world]][[usage:42]]');

    expect(await bench.plane.ended(grant)).toEqual({
      status: 'completed',
      stop_reason: 'end_turn',
      usage: { inputTokens: 21, outputTokens: 21, totalTokens: 42 },
    });
    expect(bench.plane.text(grant)).toBe('Hello world');
    expect(bench.plane.updates(grant)).toContainEqual({
      sessionUpdate: 'agent_thought_chunk',
      content: { type: 'text', text: 'hm' },
    });
    expect(bench.plane.events(grant).every(({ turn_id }) => turn_id === grant.turn_id)).toBe(true);
  });

  it('works in a folder of the session that only this user can open', async () => {
    const grant = bench.start('[[say:x]]');
    await bench.plane.ended(grant);

    const folder = join(bench.folder, 'sessions', grant.session_id);
    expect(statSync(folder).mode & 0o777).toBe(0o700);
    expect(existsSync(join(folder, '.scripted-agent'))).toBe(true);
  });

  it('G8: tells at once that it runs, with the id of the agent session, before the prompt is worked on', async () => {
    const grant = bench.start('[[say:x]]');
    await bench.plane.ended(grant);

    const running = bench.plane.beats.flatMap(({ turns }) => turns).find(({ status }) => status === 'running');
    expect(running).toEqual({
      session_id: grant.session_id,
      turn_id: grant.turn_id,
      epoch: grant.epoch,
      status: 'running',
      agent_session_id: expect.stringMatching(/^[0-9a-f-]{36}$/),
      sandbox_live: true,
    });
  });

  it('tells in each beat whether its agent lives', async () => {
    const often = new TurnBench({ beatMs: 100 });
    const { plane } = often;
    const isTold = (isLive: boolean) =>
      plane.until(() => plane.beats.some(({ turns }) => turns[0]?.sandbox_live === isLive));
    let complete: (() => void) | undefined;
    plane.beforeComplete = () => new Promise((resolve) => (complete = resolve));

    const grant = often.startScript(`
      console.log(JSON.stringify({ jsonrpc: '2.0', method: 'session/update', params: { update: { pid: process.pid } } }));
      setInterval(() => {}, 1000);`);
    await isTold(true);
    const { pid } = await plane.until(() => plane.updates(grant)[0] as { pid?: number } | undefined);
    plane.beats.length = 0;
    process.kill(pid as number, 'SIGKILL');
    await isTold(false);
    // It may still be on its way there; every beat is a change.
    (await plane.until(() => complete))();
    await plane.ended(grant);
    await often.close();
  });

  it('leaves no process of the agent behind', async () => {
    const grant = bench.start('[[fork]]');
    await bench.plane.ended(grant);
    await processIsGone(Number(bench.plane.text(grant)));
  });

  it('resumes the agent session it is given, and keeps its id', async () => {
    const session_id = 'resumed';
    const first = bench.start('[[say:remember me]]', { session_id });
    await bench.plane.ended(first);
    const agentSession = bench.plane.beats.flatMap(({ turns }) => turns).at(-1)?.agent_session_id ?? null;

    const second = bench.start('[[recall]]', { session_id, resume_agent_session_id: agentSession });
    await bench.plane.ended(second);

    const later = bench.plane.events(second).filter(({ turn_id }) => turn_id === second.turn_id);
    expect(later.map(({ data }) => (data.content as { text: string }).text).join('')).toBe('1. [[say:remember me]]\n');
    expect(bench.plane.beats.at(-1)?.turns[0]?.agent_session_id).toBe(agentSession);
  });

  it('never starts afresh where it was to resume', async () => {
    const grant = bench.start('[[say:x]]', { resume_agent_session_id: '00000000-0000-4000-8000-000000000000' });
    expect(await bench.plane.ended(grant)).toMatchObject({
      status: 'failed',
      error: { code: 'resume_state_missing', message: expect.stringContaining('Nothing is saved') },
    });
    expect(bench.plane.events(grant)).toEqual([]);
  });

  it.each([
    ['cannot', `initialize: () => ({ protocolVersion: 1 }),`, 'neither resume nor load'],
    [
      'does not know it',
      `initialize: () => ({ protocolVersion: 1, agentCapabilities: { loadSession: true } }),
       'session/load': (_, id) => void send({ id, error: { code: -32002, message: 'gone' } }),`,
      'could not resume session old',
    ],
  ])('fails where the agent was to go on with a conversation and %s', async (_, answers, words) => {
    const resumed = { resume_agent_session_id: 'old', harness: 'acp', command: agent(answers) };
    expect(await bench.plane.ended(bench.start('go', resumed))).toMatchObject({
      status: 'failed',
      error: { code: 'resume_state_missing', message: expect.stringContaining(words) },
    });
  });

  it('drops what session/load replays, and keeps what comes after', async () => {
    const grant = bench.start('go', {
      resume_agent_session_id: 'old',
      harness: 'acp',
      command: agent(`
        initialize: () => ({ protocolVersion: 1, agentCapabilities: { loadSession: true } }),
        'session/load': () => { update({ n: 'replayed' }); return {}; },
        'session/prompt': () => { update({ n: 'new', _unknown: [1] }); return { stopReason: 'max_tokens' }; },`),
    });
    expect(await bench.plane.ended(grant)).toEqual({ status: 'completed', stop_reason: 'max_tokens' });
    expect(bench.plane.updates(grant)).toEqual([{ n: 'new', _unknown: [1] }]);
  });

  it('fails with the error of the agent', async () => {
    const grant = bench.start('[[fail:the model is gone]]');
    expect(await bench.plane.ended(grant)).toEqual({
      status: 'failed',
      error: { code: 'agent_error', message: expect.stringContaining('the model is gone') },
    });
  });

  it('fails with the exit and the last words of an agent that dies', async () => {
    const grant = bench.start('[[say:so far]][[stderr:out of memory]][[crash]]');
    expect(await bench.plane.ended(grant)).toEqual({
      status: 'failed',
      error: { code: 'agent_exited', message: expect.stringMatching(/code 1[\s\S]*out of memory/) },
    });
    expect(bench.plane.text(grant)).toBe('so far');
  });

  it('keeps the last words of an agent that says much on stderr', async () => {
    const grant = bench.startScript(`process.stderr.write('x'.repeat(100_000) + 'the end', () => process.exit(9))`);
    const { error } = await bench.plane.ended(grant);
    expect(error?.code).toBe('agent_exited');
    expect(error?.message.length).toBeLessThan(4_000);
    expect(error?.message).toMatch(/the end$/);
  });

  it('fails when the harness is not on this machine, and says what to install', async () => {
    const grant = bench.start('x', { harness: 'no-such-harness' });
    expect(await bench.plane.ended(grant)).toMatchObject({
      status: 'failed',
      error: { code: 'harness_not_found', message: expect.stringContaining('no-such-harness') },
    });
  });

  it('says what to do when the program of its agent cannot be started', async () => {
    const grant = bench.start('go', { harness: 'acp', command: ['/no/such/agent'] });
    expect(await bench.plane.ended(grant)).toMatchObject({
      status: 'failed',
      error: {
        code: 'agent_start_failed',
        message: expect.stringMatching(/no\/such\/agent ENOENT\. Install .* change/),
      },
    });
  });

  it('fails when the agent does not open a session in time', async () => {
    const impatient = new TurnBench({ agentStartMs: 200 });
    const grant = impatient.startScript('setInterval(() => {}, 1000)');
    expect(await impatient.plane.ended(grant)).toMatchObject({
      status: 'failed',
      error: { code: 'agent_start_timeout', message: expect.stringContaining('0.2 s') },
    });
    await impatient.close();
  });

  it.each([
    ['another version of ACP', `initialize: () => ({ protocolVersion: 2 }),`],
    ['no session id', `initialize: () => ({ protocolVersion: 1 }), 'session/new': () => ({}),`],
    [
      'a session id without end',
      `initialize: () => ({ protocolVersion: 1 }), 'session/new': () => ({ sessionId: 's'.repeat(300) }),`,
    ],
    ...['a\\0b', 'a\\ud800', 'a\\nb'].map((text) => [
      `a session id with ${text}`,
      `initialize: () => ({ protocolVersion: 1 }), 'session/new': () => ({ sessionId: '${text}' }),`,
    ]),
    [
      'a stop reason that nobody could store',
      `initialize: () => ({ protocolVersion: 1 }), 'session/new': () => ({ sessionId: 's' }), 'session/prompt': () => ({ stopReason: 'a\\0' }),`,
    ],
    [
      'no stop reason',
      `initialize: () => ({ protocolVersion: 1 }), 'session/new': () => ({ sessionId: 's' }), 'session/prompt': () => ({}),`,
    ],
    [
      'a closed stdout',
      `initialize: () => ({ protocolVersion: 1 }), 'session/new': () => { require('fs').closeSync(1); setInterval(() => {}, 1000); },`,
    ],
  ])('fails with agent_protocol_error when the agent answers with %s', async (_, answers) => {
    const grant = bench.start('go', { harness: 'acp', command: agent(answers) });
    expect(await bench.plane.ended(grant)).toMatchObject({ status: 'failed', error: { code: 'agent_protocol_error' } });
  });

  it('says in words that can be stored why it failed', async () => {
    const grant = bench.startScript(
      `process.stderr.write('\\x1b[31mred\\x1b[0m \\0${'😀'.repeat(1_500)}!', () => process.exit(1))`,
    );
    const { status, error } = await bench.plane.ended(grant);
    expect([status, error?.code]).toEqual(['failed', 'agent_exited']);
    expect(error?.message).toMatch(/turn was over\.\n(😀)+!$/u);

    const other = bench.startScript(`process.stderr.write('\\x1b[31mred\\x1b[0m \\0 end', () => process.exit(1))`);
    expect((await bench.plane.ended(other)).error?.message).toMatch(/turn was over\.\nred {2}end$/);
  });

  it.each([
    ['large', `{ note: 'x'.repeat(1_100_000) }`],
    ['with U+0000', `{ note: 'a\\0b' }`],
    ['with half a character', `{ 'a\\ud800': 1 }`],
    ['deep', `{ note: JSON.parse('['.repeat(1000) + ']'.repeat(1000)) }`],
  ])('completes without its usage when that is %s, and says so', async (_, usage) => {
    const grant = bench.start('go', {
      harness: 'acp',
      command: agent(`
        initialize: () => ({ protocolVersion: 1 }), 'session/new': () => ({ sessionId: 's' }),
        'session/prompt': () => ({ stopReason: 'end_turn', usage: ${usage} }),`),
    });
    expect(await bench.plane.ended(grant)).toEqual({ status: 'completed', stop_reason: 'end_turn' });
    expect(bench.plane.events(grant)).toMatchObject([{ type: 'agent.notice', data: { code: 'usage_withheld' } }]);
  });

  it('ends as refused when the api takes its end in no other words, so that it is not done again', async () => {
    bench.plane.beforeComplete = () => {
      bench.plane.beforeComplete = () => undefined;
      throw new ControlPlaneRefusal(400, 'request_invalid', 'no');
    };
    const grant = bench.start('[[say:x]]');
    expect(await bench.plane.ended(grant)).toMatchObject({ status: 'failed', error: { code: 'end_refused' } });
  });

  it('keeps the prompt answer of an agent that ends right after it', async () => {
    const grant = bench.start('go', {
      harness: 'acp',
      command: agent(`
        initialize: () => ({ protocolVersion: 1 }), 'session/new': () => ({ sessionId: 's' }),
        'session/prompt': () => { for (let n = 0; n < 500; n += 1) update({ n }); setImmediate(() => process.stdout.write('', () => process.exit(1))); return { stopReason: 'end_turn' }; },`),
    });
    expect(await bench.plane.ended(grant)).toEqual({ status: 'completed', stop_reason: 'end_turn' });
    expect(bench.plane.updates(grant)).toHaveLength(500);
  });

  it('passes over what is no update, and usage that is none', async () => {
    const grant = bench.start('go', {
      harness: 'acp',
      command: agent(`
        initialize: () => ({ protocolVersion: 1 }), 'session/new': () => ({ sessionId: 's' }),
        'session/prompt': () => {
          process.stdout.write('starting…\\n[1]\\n');
          for (const odd of ['text', [1], null, 7]) update(odd);
          update({ n: 1 });
          return { stopReason: 'end_turn', usage: 'a lot' };
        },`),
    });
    expect(await bench.plane.ended(grant)).toEqual({ status: 'completed', stop_reason: 'end_turn' });
    expect(bench.plane.updates(grant)).toEqual([{ n: 1 }]);
  });

  it('loses and doubles nothing of a flood, while the log is slow and forgets its answers', async () => {
    let calls = 0;
    bench.plane.beforeAppend = async () => {
      calls += 1;
      await new Promise((resolve) => setTimeout(resolve, 5));
      if (calls % 3 === 0) throw new ControlPlaneUnavailable('lost on the way');
    };
    bench.plane.afterAppend = () => {
      if (calls % 5 === 0) throw new ControlPlaneUnavailable('lost on the way back');
    };
    const grant = bench.start('[[flood:3000]]');
    expect(await bench.plane.ended(grant)).toMatchObject({ status: 'completed' });

    expect(numbersOf(bench, grant)).toEqual([...Array(3_000).keys()].map((n) => n + 1));
  });

  it('leaves a flood unread when the log takes nothing, and goes on when it does', async () => {
    let open: () => void = () => undefined;
    const opened = new Promise<void>((resolve) => (open = resolve));
    const held = bench.plane.invoke('[[flood:20000]]');
    bench.plane.beforeAppend = (logPath) => (logPath === held.log_path ? opened : undefined);
    bench.turns.start(held);
    // Meanwhile an agent whose log takes everything does the same to its end.
    const free = bench.start('[[flood:20000]]');
    expect(await bench.plane.ended(free)).toMatchObject({ status: 'completed' });
    expect(numbersOf(bench, free)).toHaveLength(20_000);

    bench.plane.cancel(held);
    open();
    expect(await bench.plane.ended(held)).toMatchObject({ status: 'cancelled' });
    const numbers = numbersOf(bench, held);
    expect(numbers).toEqual([...Array(numbers.length).keys()].map((n) => n + 1));
    // 4 MiB in the writer, and what the pipe and the agent itself hold.
    expect(numbers.length).toBeLessThan(8_000);
  });

  it('ends the agent and says so when the log refuses what it wrote', async () => {
    bench.plane.beforeAppend = () => {
      throw new ControlPlaneRefusal(413, 'body_too_large', 'too much');
    };
    const grant = bench.start('[[say:x]][[hang]]');
    expect(await bench.plane.ended(grant)).toMatchObject({
      status: 'failed',
      error: { code: 'log_write_refused', message: expect.stringContaining('body_too_large') },
    });
  });

  it('repeats its end until the api takes it', async () => {
    let calls = 0;
    bench.plane.beforeComplete = () => {
      calls += 1;
      if (calls < 4) throw new ControlPlaneUnavailable('restarting');
    };
    const grant = bench.start('[[say:x]]');
    expect(await bench.plane.ended(grant)).toMatchObject({ status: 'completed' });
    expect(calls).toBe(4);
  });

  it('runs the turns of several sessions side by side', async () => {
    const grants = [...Array(4).keys()].map((n) => bench.start(`[[say:turn ${n}]][[ask:x]]`));
    await bench.plane.until(() => bench.plane.interactions.length === 4);
    grants.forEach((grant) => bench.plane.answer(grant, interactionOf(bench, grant.turn_id), 'deny'));
    await Promise.all(grants.map((grant) => bench.plane.ended(grant)));
    expect(grants.map((grant) => bench.plane.text(grant).slice(0, 6))).toEqual([
      'turn 0',
      'turn 1',
      'turn 2',
      'turn 3',
    ]);
  });
});

/** The numbers with which the messages of a flood begin. */
function numbersOf(bench: TurnBench, grant: SessionTurnGrant): number[] {
  return bench.plane.updates(grant).map(({ content }) => parseInt((content as { text: string }).text, 10));
}

function interactionOf(bench: TurnBench, turnId: string): string {
  return bench.plane.interactions.find(({ turn_id }) => turn_id === turnId)?.interaction_id ?? '';
}

/** A bare ACP agent: `answers` is the inside of an object from method to what answers it. */
function agent(answers: string): string[] {
  const script = `
    const send = (message) => process.stdout.write(JSON.stringify({ jsonrpc: '2.0', ...message }) + '\\n');
    const update = (update) => send({ method: 'session/update', params: { sessionId: 's', update } });
    const answers = { ${answers} };
    require('readline').createInterface({ input: process.stdin }).on('line', (line) => {
      const { id, method, params } = JSON.parse(line);
      const result = answers[method]?.(params, id);
      if (result !== undefined) send({ id, result });
    });`;
  return [process.execPath, '-e', script];
}
