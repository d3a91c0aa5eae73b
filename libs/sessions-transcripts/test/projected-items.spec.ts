import { MAX_OPEN_BYTES, MAX_OPEN_ITEMS } from '../src/projection/open-limit.rules.js';
import { MAX_DEPTH } from '../src/projection/session-event.rules.js';
import { MAX_TERMINAL_OUTPUT } from '../src/projection/terminal-output.rules.js';
import { project, startOfLog } from '../src/projection/transcript-projection.rules.js';
import { ended, message, recordsOf, toolCall, turnEnd } from './expected-records.js';
import { call, callUpdate, event, OTHER_TURN, say, update } from './session-events.js';

describe('tool calls', () => {
  it('merges all updates of a call into one record, and keeps interleaved calls apart', () => {
    expect(
      recordsOf(
        call('a', { title: 'Read', kind: 'read', status: 'pending' }),
        call('b', { title: 'Run' }),
        callUpdate('b', { status: 'failed', rawOutput: { code: 1 } }),
        callUpdate('a', { title: 'Read x', kind: null, content: [] }),
        callUpdate('a', { status: 'completed' }),
      ),
    ).toEqual([
      toolCall('failed', { toolCallId: 'b', title: 'Run', status: 'failed', rawOutput: { code: 1 } }, [1, 2]),
      toolCall(
        'completed',
        { toolCallId: 'a', title: 'Read x', kind: 'read', status: 'completed', content: [] },
        [0, 4],
      ),
    ]);
  });

  it('makes a call from updates alone, and from an update that came first', () => {
    expect(
      recordsOf(
        callUpdate('a', { title: 'Run' }),
        call('a', { kind: 'execute' }),
        callUpdate('a', { status: 'completed' }),
      ),
    ).toEqual([toolCall('completed', { toolCallId: 'a', title: 'Run', kind: 'execute', status: 'completed' }, [0, 2])]);
  });

  it('puts together what a terminal printed piece by piece, whatever else is said beside the call', () => {
    const output = (data: string) => ({ terminal_output_delta: { terminal_id: 'a', data } });
    expect(
      recordsOf(
        call('a', { _meta: { terminal_info: { cwd: '/' } } }),
        callUpdate('a', { _meta: output('one\n') }),
        callUpdate('a', { _meta: { seen: true } }),
        callUpdate('a', { title: 'Run' }),
        callUpdate('a', { status: 'completed', _meta: { ...output('two\n'), terminal_exit: { exit_code: 0 } } }),
      ),
    ).toEqual([
      toolCall(
        'completed',
        {
          toolCallId: 'a',
          title: 'Run',
          status: 'completed',
          _meta: { ...output('one\ntwo\n'), terminal_exit: { exit_code: 0 } },
        },
        [0, 4],
      ),
    ]);
  });

  it('keeps the end of what a terminal printed where that is much', () => {
    const half = 'x'.repeat(MAX_TERMINAL_OUTPUT / 2);
    const pieces = ['the start', half, half, 'the end'].map((data) =>
      callUpdate('a', { _meta: { terminal_output: { terminal_id: 'a', data } } }),
    );
    const [record] = recordsOf(...pieces, callUpdate('a', { status: 'completed' }));
    const { _meta } = (record!.content as { tool_call: { _meta: Record<string, { data: string }> } }).tool_call;
    const { data, ...rest } = _meta['terminal_output']!;
    expect(rest).toEqual({ terminal_id: 'a', truncated: true });
    expect(data).toHaveLength(MAX_TERMINAL_OUTPUT);
    expect(data).toMatch(/^x+the end$/);
  });

  it('interrupts what the end of the turn leaves open', () => {
    expect(recordsOf(call('a', { status: 'in_progress' }), event('turn.lost'))).toEqual([
      toolCall('interrupted', { toolCallId: 'a', status: 'in_progress' }, [0, 1]),
      turnEnd(1, 'lost', {}),
    ]);
  });

  it('makes one record per attempt: the next attempt interrupts what the last one left', () => {
    expect(
      recordsOf(
        call('a'),
        say('par'),
        event('turn.starting', { attempt: 2 }),
        say('tial'),
        call('a', { status: 'completed' }),
      ),
    ).toEqual([
      message('par', [1, 1]),
      toolCall('interrupted', { toolCallId: 'a' }, [0, 2]),
      message('tial', [3, 3]),
      toolCall('completed', { toolCallId: 'a', status: 'completed' }, [4, 4]),
    ]);
  });

  it('makes no second record of a finished call, until the next turn uses its id again', () => {
    const done = call('a', { status: 'completed' });
    expect(
      recordsOf(done, callUpdate('a', { status: 'completed' }), ended, done).map(({ type, span }) => [type, span[0]]),
    ).toEqual([
      ['tool_call', 0],
      ['turn_end', 2],
      ['tool_call', 3],
    ]);
  });

  it('passes over updates without an id', () => {
    expect(
      recordsOf(update('tool_call', { title: 'x' }), update('tool_call_update', { toolCallId: 7 }), ended),
    ).toEqual([turnEnd(2)]);
  });

  it('closes the oldest when too many are open', () => {
    const calls = Array.from({ length: MAX_OPEN_ITEMS + 1 }, (_, index) => call(`t${index}`));
    expect(recordsOf(...calls)).toEqual([toolCall('interrupted', { toolCallId: 't0' }, [0, 0])]);
  });

  it('closes the oldest when too much is open', () => {
    const rawOutput = 'x'.repeat(MAX_OPEN_BYTES / 2);
    expect(recordsOf(call('a', { rawOutput }), call('b', { rawOutput }), callUpdate('a', { title: 'late' }))).toEqual([
      toolCall('interrupted', { toolCallId: 'a', rawOutput }, [0, 0]),
    ]);
  });
});

describe('plans', () => {
  const plan = (...entries: string[]) => update('plan', { entries: entries.map((content) => ({ content })) });

  it('keeps the latest of a run of plans', () => {
    expect(recordsOf(plan('a'), plan('a', 'b'), say('x'), plan('c'), ended)).toEqual([
      { type: 'plan', content: { entries: [{ content: 'a' }, { content: 'b' }] }, span: [0, 1] },
      message('x', [2, 2]),
      { type: 'plan', content: { entries: [{ content: 'c' }] }, span: [3, 3] },
      turnEnd(4),
    ]);
  });

  it('keeps the plans of two turns apart', () => {
    const other = update('plan', { entries: [{ content: 'b' }] }, OTHER_TURN);
    expect(recordsOf(plan('a'), other, ended).map(({ type, span }) => [type, span])).toEqual([
      ['plan', [0, 0]],
      ['plan', [1, 1]],
      ['turn_end', [2, 2]],
    ]);
  });

  it('drops a run whose last plan is empty', () => {
    expect(recordsOf(plan('a'), plan(), update('plan', { entries: 'x' }), ended)).toEqual([turnEnd(3)]);
  });
});

describe('interactions', () => {
  const requested = event('interaction.requested', {
    interaction_id: 'i',
    kind: 'user_approval',
    request: { options: [] },
  });
  const verdict = { decision: 'allow' };
  const responded = event('interaction.responded', { interaction_id: 'i', verdict, by_id: 'u' });
  const interaction = (rest: object, span: number[]) => ({
    type: 'interaction',
    content: {
      interaction_id: 'i',
      kind: 'user_approval',
      request: { options: [] },
      verdict: null,
      by_id: null,
      reason: null,
      ...rest,
    },
    span,
  });

  it('holds the question, the answer, and that the agent took it up', () => {
    expect(recordsOf(requested, responded, event('interaction.resolved', { interaction_id: 'i' }))).toEqual([
      interaction({ verdict, by_id: 'u', outcome: 'resolved' }, [0, 2]),
    ]);
  });

  it('holds why it was cancelled, before and after the end of the turn', () => {
    const cancelled = event('interaction.cancelled', { interaction_id: 'i', reason: 'turn_ended' });
    expect(recordsOf(requested, cancelled, ended)[0]).toEqual(
      interaction({ outcome: 'cancelled', reason: 'turn_ended' }, [0, 1]),
    );
    expect(recordsOf(requested, ended, cancelled)[1]).toEqual(
      interaction({ outcome: 'cancelled', reason: 'turn_ended' }, [0, 2]),
    );
  });

  it('says so when the turn ended before the agent took the answer up', () => {
    expect(recordsOf(requested, responded, event('turn.lost'))).toEqual([
      interaction({ verdict, by_id: 'u', outcome: 'responded' }, [0, 1]),
      turnEnd(2, 'lost', {}),
    ]);
  });

  it('opens a question once, and passes over news of questions it does not know', () => {
    const resolved = event('interaction.resolved', { interaction_id: 'i' });
    expect(recordsOf(responded, requested, requested, resolved, resolved)).toEqual([
      interaction({ outcome: 'resolved' }, [1, 3]),
    ]);
  });

  it('closes the oldest when too many are open', () => {
    const asked = Array.from({ length: MAX_OPEN_ITEMS }, (_, n) =>
      event('interaction.requested', { interaction_id: `${n}` }),
    );
    expect(recordsOf(requested, ...asked)).toEqual([interaction({ outcome: 'unanswered' }, [0, 0])]);
  });
});

describe('usage, input and end of a turn', () => {
  it('keeps the latest usage of a turn together with what its end told', () => {
    const usage = { total_tokens: 9 };
    expect(
      recordsOf(
        update('usage_update', { used: 1, size: 9 }),
        update('usage_update', { used: 2, size: 9 }),
        event('turn.completed', { usage }),
      ),
    ).toEqual([
      { type: 'usage', content: { context: { used: 2, size: 9 }, turn: usage }, span: [0, 2] },
      turnEnd(2, 'completed', { usage }),
    ]);
  });

  it("does not give a turn's usage to the turn before it", () => {
    const usage = { total_tokens: 9 };
    const records = recordsOf(update('usage_update', { used: 1 }, OTHER_TURN), event('turn.completed', { usage }));
    expect(records[0]).toEqual({ type: 'usage', content: { context: { used: 1 }, turn: null }, span: [0, 0] });
  });

  it('makes the input of a turn a user message, unless it is empty', () => {
    expect(recordsOf(event('turn.queued', { prompt: 'Hi', by_id: 'u' }), event('turn.queued', { prompt: '' }))).toEqual(
      [{ type: 'user_message', content: { prompt: 'Hi', by_id: 'u' }, span: [0, 0] }],
    );
  });

  it.each(['completed', 'failed', 'cancelled', 'lost'])('records the end of a %s turn with its error', (status) => {
    const error = { code: 'x', message: 'y' };
    expect(recordsOf(event(`turn.${status}`, { error }))).toEqual([turnEnd(0, status, { error })]);
  });
});

describe('what is no event', () => {
  it('is passed over', () => {
    const wrong = [
      null,
      'text',
      [],
      { type: 'turn.completed' },
      { ...ended, at: 'yesterday' },
      { ...ended, at: '-000001-01-01T00:00:00Z' },
      { ...ended, turn_id: 'x' },
      { ...ended, data: [] },
      { ...ended, type: 7 },
      update('agent_message_chunk', { content: 'x' }),
      update('agent_message_chunk'),
    ];
    const events = wrong.map((each, position) => ({ position, event: each }));
    const { records, state } = project(startOfLog(), events);
    expect(records).toEqual([]);
    expect(state).toEqual({ ...startOfLog(), position: wrong.length });
  });

  it('may nest deep, but not so deep that nobody could store it', () => {
    const nested = (depth: number) => JSON.parse('['.repeat(depth) + ']'.repeat(depth)) as unknown;
    const done = (id: string, depth: number) => call(id, { status: 'completed', rawOutput: nested(depth) });
    const records = recordsOf(done('a', MAX_DEPTH - 1), done('b', MAX_DEPTH), done('c', 4500));
    expect(records.map(({ span }) => span[0])).toEqual([0]);
  });
});
