import type { SessionInteractionDecision as Decision } from '@holdfast/client';
import { ControlPlaneRefusal, ControlPlaneUnavailable } from '../src/control-plane.js';
import { TurnBench } from './turn-bench.js';

describe('a permission request', () => {
  let bench: TurnBench;

  beforeEach(() => {
    bench = new TurnBench();
  });

  afterEach(async () => {
    await bench.close();
  });

  const question = () => bench.plane.until(() => bench.plane.interactions[0]);

  it('becomes a question that follows its tool call in the log, with the tool call and options as the agent sent them', async () => {
    const grant = bench.start('[[ask:rm -rf build]]');
    const { token, request, raisedAfter } = await question();

    const call = bench.plane.updates(grant).find(({ sessionUpdate }) => sessionUpdate === 'tool_call');
    expect(raisedAfter).toBeGreaterThan(bench.plane.updates(grant).indexOf(call as never));
    expect(request).toEqual({
      tool_call: expect.objectContaining({ toolCallId: call?.toolCallId, title: 'rm -rf build', status: 'pending' }),
      options: [
        { option_id: 'allow_once', name: expect.any(String), kind: 'allow_once' },
        { option_id: 'allow_always', name: expect.any(String), kind: 'allow_always' },
        { option_id: 'reject_once', name: expect.any(String), kind: 'reject_once' },
      ],
    });
    expect(token).toMatch(new RegExp(`^[0-9a-f-]{36}:${call?.toolCallId}:0$`));
  });

  it('waits until its tool call is in the log', async () => {
    let open: () => void = () => undefined;
    const opened = new Promise<void>((resolve) => (open = resolve));
    const grant = bench.plane.invoke('[[ask:build]]');
    bench.plane.beforeAppend = (logPath) => (logPath === grant.log_path ? opened : undefined);
    bench.turns.start(grant);
    // Long enough for the question, if it did not wait.
    const free = bench.start('[[stream:20:25]]');
    await bench.plane.ended(free);
    expect(bench.plane.interactions).toEqual([]);

    open();
    expect((await question()).raisedAfter).toBe(1);
  });

  it('stays within the limits of the api, however long the agent makes it', async () => {
    const grant = bench.start('go', {
      harness: 'acp',
      command: asker(['allow_once'], `{ toolCallId: 'c'.repeat(999), title: 'edit', content: 'x'.repeat(300_000) }`),
    });
    const { token, request, interaction_id } = await question();
    expect(token).toMatch(/^[0-9a-f-]{36}:[0-9a-f]{64}:0$/);
    expect(request.tool_call).toEqual({
      toolCallId: 'c'.repeat(999),
      title: 'edit',
      _meta: { holdfast_withheld: 'too_large' },
    });
    bench.plane.answer(grant, interaction_id, 'allow');
    await bench.plane.ended(grant);
    expect(bench.plane.updates(grant)).toEqual([{ chosen: 'allow_once' }]);
  });

  it.each([
    ['U+0000 and half a character', `{ toolCallId: 'c\\0', title: 'edit\\ud800!', rawInput: 'a\\0' }`, 'edit\ufffd!'],
    [
      'a hundred levels',
      `{ toolCallId: 'c', title: [], rawInput: JSON.parse('['.repeat(100) + ']'.repeat(100)) }`,
      undefined,
    ],
  ])('is put to people without what the api cannot store of a tool call with %s', async (_, toolCall, title) => {
    const grant = bench.start('go', { harness: 'acp', command: asker(['allow_once'], toolCall) });
    const { request, interaction_id } = await question();
    expect(request.tool_call).toEqual({
      toolCallId: 'c',
      ...(title && { title }),
      _meta: { holdfast_withheld: 'unstorable' },
    });
    bench.plane.answer(grant, interaction_id, 'allow');
    await bench.plane.ended(grant);
    expect(bench.plane.updates(grant)).toEqual([{ chosen: 'allow_once' }]);
  });

  it('that is allowed lets the tool run, and is resolved once the agent has the answer', async () => {
    const grant = bench.start('[[ask:build]]');
    const { interaction_id } = await question();
    bench.plane.answer(grant, interaction_id, 'allow');

    expect(await bench.plane.ended(grant)).toMatchObject({ status: 'completed' });
    expect(bench.plane.updates(grant).at(-1)).toMatchObject({
      status: 'completed',
      rawOutput: { text: 'build: done' },
    });
    expect(bench.plane.interactions[0]?.status).toBe('resolved');
  });

  it('that is denied keeps the tool from running', async () => {
    const grant = bench.start('[[ask:build]]');
    bench.plane.answer(grant, (await question()).interaction_id, 'deny');

    expect(await bench.plane.ended(grant)).toMatchObject({ status: 'completed' });
    expect(bench.plane.text(grant)).toContain('I was not allowed to: build');
    expect(bench.plane.updates(grant).some(({ status }) => status === 'completed')).toBe(false);
    expect(bench.plane.interactions[0]?.status).toBe('resolved');
  });

  it('that is always allowed is not asked again by the agent', async () => {
    const grant = bench.start('[[ask:build]][[ask:build]]');
    bench.plane.answer(grant, (await question()).interaction_id, 'allow_always');

    expect(await bench.plane.ended(grant)).toMatchObject({ status: 'completed' });
    expect(bench.plane.interactions).toHaveLength(1);
  });

  it('takes its answer once, however often the control log repeats it', async () => {
    const grant = bench.start('[[ask:one]][[ask:two]]');
    const first = await question();
    bench.plane.answer(grant, first.interaction_id, 'allow', 'c1');
    bench.plane.answer(grant, first.interaction_id, 'deny', 'c1');
    const second = await bench.plane.until(() => bench.plane.interactions[1]);
    bench.plane.answer(grant, second.interaction_id, 'allow', 'c2');

    await bench.plane.ended(grant);
    expect(bench.plane.updates(grant).filter(({ status }) => status === 'completed')).toHaveLength(2);
  });

  it('takes an answer that overtakes the response of the call that raised it', async () => {
    const { plane } = bench;
    const raise = plane.raiseInteraction.bind(plane);
    let calls = 0;
    plane.raiseInteraction = async (asked) => {
      const interaction = await raise(asked);
      calls += 1;
      if (calls === 1) {
        plane.answer(grant, interaction.interaction_id, 'allow');
        throw new ControlPlaneUnavailable('the answer was lost');
      }
      return interaction;
    };
    const grant = bench.start('[[ask:build]]');

    expect(await plane.ended(grant)).toMatchObject({ status: 'completed' });
    expect(calls).toBe(2);
    expect(plane.interactions).toMatchObject([{ status: 'resolved' }]);
  });

  it('ignores an answer that was given under another epoch', async () => {
    const grant = bench.start('[[ask:build]]');
    const { interaction_id } = await question();
    bench.plane.answer({ ...grant, epoch: grant.epoch - 1 }, interaction_id, 'allow');
    bench.plane.answer(grant, interaction_id, 'deny');

    await bench.plane.ended(grant);
    expect(bench.plane.text(grant)).toContain('I was not allowed');
  });

  it('is never a yes when the api refuses the question', async () => {
    bench.plane.raiseInteraction = async () => {
      throw new ControlPlaneRefusal(413, 'body_too_large', 'too much');
    };
    const grant = bench.start('[[ask:build]]');

    expect(await bench.plane.ended(grant)).toMatchObject({ status: 'cancelled' });
    expect(bench.plane.events(grant).find(({ type }) => type === 'agent.notice')?.data).toMatchObject({
      code: 'question_refused',
      message: expect.stringContaining('body_too_large'),
    });
    expect(bench.plane.updates(grant).some(({ status }) => status === 'completed')).toBe(false);
  });

  it('is answered as cancelled when the turn is cancelled', async () => {
    const grant = bench.start('[[ask:build]]');
    await question();
    bench.plane.cancel(grant);

    expect(await bench.plane.ended(grant)).toEqual({ status: 'cancelled', stop_reason: 'cancelled' });
    expect(bench.plane.interactions[0]?.status).toBe('pending');
  });

  it.each<[Decision, string[], string]>([
    ['allow', ['allow_always', 'allow_once', 'reject_once'], 'allow_once'],
    ['allow', ['reject_once', 'allow_always'], 'allow_always'],
    ['allow_always', ['allow_once', 'allow_always'], 'allow_always'],
    ['allow_always', ['allow_once', 'reject_once'], 'allow_once'],
    ['deny', ['allow_once', 'reject_always', 'reject_once'], 'reject_once'],
    ['deny', ['allow_once', 'reject_always'], 'reject_always'],
    ['deny', ['allow_once'], 'cancelled'],
    ['allow', ['reject_once'], 'cancelled'],
  ])('answered with %s among %j chooses %s', async (decision, kinds, chosen) => {
    const grant = bench.start('go', { harness: 'acp', command: asker(kinds) });
    bench.plane.answer(grant, (await question()).interaction_id, decision);

    await bench.plane.ended(grant);
    expect(bench.plane.updates(grant)).toEqual([{ chosen }]);
  });
});

/** An agent that asks once, with an option of each kind under an id of its own, and tells what was chosen. */
function asker(kinds: string[], toolCall = `{ toolCallId: 'call:1' }`): string[] {
  const options = kinds.map((kind) => ({ optionId: `my-${kind}`, name: kind, kind }));
  const script = `
    const send = (message) => process.stdout.write(JSON.stringify({ jsonrpc: '2.0', ...message }) + '\\n');
    let prompt;
    require('readline').createInterface({ input: process.stdin }).on('line', (line) => {
      const { id, method, result } = JSON.parse(line);
      if (method === 'initialize') send({ id, result: { protocolVersion: 1 } });
      if (method === 'session/new') send({ id, result: { sessionId: 's' } });
      if (method === 'session/prompt') {
        prompt = id;
        const params = { sessionId: 's', toolCall: ${toolCall}, options: ${JSON.stringify(options)} };
        send({ id: 0, method: 'session/request_permission', params });
      }
      if (!method && id === 0) {
        const chosen = result.outcome.optionId?.replace('my-', '') ?? result.outcome.outcome;
        send({ method: 'session/update', params: { sessionId: 's', update: { chosen } } });
        send({ id: prompt, result: { stopReason: 'end_turn' } });
      }
    });`;
  return [process.execPath, '-e', script];
}
