import { CLI_DIALECTS } from '../src/cli-drive/cli-dialects.js';
import { CliUpdates, kindOf } from '../src/cli-drive/cli-output.js';
import type { PromptEnd } from '../src/driven-agent.js';

/** What a harness's lines come to. */
function heard(harness: string, ...lines: object[]) {
  const said = {
    sessions: [] as string[],
    updates: [] as Record<string, unknown>[],
    notices: [] as { code: string; message: string }[],
    ends: [] as PromptEnd[],
    failures: [] as string[],
  };
  const read = CLI_DIALECTS[harness]!.reader(
    {
      session: (id) => said.sessions.push(id),
      notice: (notice) => said.notices.push(notice),
      end: (end) => said.ends.push(end),
      failure: (message) => said.failures.push(message),
    },
    new CliUpdates((update) => said.updates.push(update)),
  );
  for (const line of lines) read(line as Record<string, unknown>);
  return said;
}

const chunk = (text: string) => ({ sessionUpdate: 'agent_message_chunk', content: { type: 'text', text } });
const thought = (text: string) => ({ sessionUpdate: 'agent_thought_chunk', content: { type: 'text', text } });
const ended = (toolCallId: unknown, status: string, text: string) => ({
  sessionUpdate: 'tool_call_update',
  toolCallId,
  status,
  content: [{ type: 'content', content: { type: 'text', text } }],
});

describe('what Codex prints', () => {
  const item = (type: string, rest: object) => ({ type, item: { id: 'item_0', ...rest } });

  it('names the conversation first, then says what it does, and ends with what it used', () => {
    const command = { type: 'command_execution', command: 'ls' };
    const { sessions, updates, ends } = heard(
      'codex',
      { type: 'thread.started', thread_id: 't-1' },
      { type: 'turn.started' },
      item('item.completed', { type: 'reasoning', text: 'hm' }),
      item('item.started', { ...command, status: 'in_progress' }),
      item('item.completed', { ...command, status: 'completed', aggregated_output: 'a', exit_code: 0 }),
      item('item.completed', { type: 'agent_message', text: 'done' }),
      { type: 'turn.completed', usage: { input_tokens: 3, output_tokens: 2, cached_input_tokens: 1 } },
    );
    expect(sessions).toEqual(['t-1']);
    const id = updates[1]!.toolCallId;
    expect(updates).toEqual([
      thought('hm'),
      {
        sessionUpdate: 'tool_call',
        toolCallId: id,
        title: 'ls',
        kind: 'execute',
        status: 'in_progress',
        rawInput: { command: 'ls' },
      },
      ended(id, 'completed', 'a'),
      chunk('done'),
    ]);
    expect(ends).toEqual([
      {
        stopReason: 'end_turn',
        usage: { inputTokens: 3, outputTokens: 2, totalTokens: 5, cachedReadTokens: 1 },
      },
    ]);
  });

  it('counts its items anew in every run: their ids here differ', () => {
    const line = item('item.started', { type: 'web_search', query: 'q' });
    const [one, other] = [heard('codex', line), heard('codex', line)].map(({ updates }) => updates[0]!.toolCallId);
    expect(one).not.toBe(other);
  });

  it('tells a command that was declined, its plan, and what it warns of', () => {
    const declined = { type: 'command_execution', command: 'rm x', status: 'declined' };
    const { updates, notices } = heard(
      'codex',
      item('item.updated', { type: 'todo_list', items: [{ text: 'a', completed: true }, { text: 'b' }] }),
      item('item.completed', declined),
      item('item.completed', { type: 'error', message: 'careful' }),
    );
    expect(updates[0]).toEqual({
      sessionUpdate: 'plan',
      entries: [
        { content: 'a', status: 'completed', priority: 'medium' },
        { content: 'b', status: 'pending', priority: 'medium' },
      ],
    });
    expect(updates[2]).toMatchObject({ status: 'failed' });
    expect(notices.map(({ code }) => code)).toEqual(['permission_denied', 'agent_warning']);
  });

  it('may fail', () => {
    expect(heard('codex', { type: 'turn.failed', error: { message: 'no model' } }).failures).toEqual(['no model']);
  });
});

describe('what Claude Code prints', () => {
  const assistant = (uuid: string, ...content: object[]) => ({ type: 'assistant', uuid, message: { content } });
  const call = { type: 'tool_use', id: 'c', name: 'Bash', input: { command: 'ls' } };
  const result = (rest: object) => ({ type: 'result', subtype: 'success', is_error: false, ...rest });

  it('is told in the words of ACP; messages that follow one another stay apart', () => {
    const { sessions, updates, ends } = heard(
      'claude',
      { type: 'system', subtype: 'init', session_id: 's' },
      assistant('1', { type: 'thinking', thinking: 'hm' }),
      assistant('2', { type: 'text', text: 'first' }),
      assistant('3', { type: 'text', text: 'second' }),
      assistant('4', call),
      {
        type: 'user',
        message: { content: [{ type: 'tool_result', tool_use_id: 'c', content: [{ type: 'text', text: 'a' }] }] },
      },
      result({ usage: { input_tokens: 1, output_tokens: 2 }, stop_reason: 'max_tokens' }),
    );
    expect(sessions).toEqual(['s']);
    expect(updates).toEqual([
      thought('hm'),
      chunk('first'),
      chunk('\n\nsecond'),
      expect.objectContaining({ sessionUpdate: 'tool_call', toolCallId: 'c', title: 'ls', kind: 'execute' }),
      ended('c', 'completed', 'a'),
    ]);
    expect(ends).toEqual([{ stopReason: 'max_tokens', usage: { inputTokens: 1, outputTokens: 2, totalTokens: 3 } }]);
  });

  it('tells each denial once, though it is said when it happens and at the end', () => {
    const denial = { tool_name: 'Bash', tool_use_id: 'c' };
    const { notices } = heard(
      'claude',
      { type: 'system', subtype: 'permission_denied', ...denial, message: 'needs approval' },
      result({ permission_denials: [denial, { tool_name: 'Write', tool_use_id: 'd' }] }),
    );
    expect(notices.map(({ code }) => code)).toEqual(['permission_denied', 'permission_denied']);
    expect(notices[0]!.message).toContain('needs approval');
    expect(notices[1]!.message).toContain('Write');
  });

  it('leaves out what subagents say, not what they do', () => {
    const line = { ...assistant('1', { type: 'text', text: 'psst' }, call), parent_tool_use_id: 'p' };
    expect(heard('claude', line).updates.map(({ sessionUpdate }) => sessionUpdate)).toEqual(['tool_call']);
  });

  it.each([
    [result({ is_error: true, result: 'API Error' }), ['API Error'], 0],
    [result({ subtype: 'error_during_execution', is_error: true, errors: ['a', 'b'] }), ['a; b'], 0],
    [result({ subtype: 'error_max_turns' }), [], 1],
  ])('%j is an end or a failure', (line, failures, ends) => {
    const said = heard('claude', line);
    expect([said.failures, said.ends.length]).toEqual([failures, ends]);
  });
});

describe('what Gemini CLI prints', () => {
  it('is told in the words of ACP, without the prompt that it repeats', () => {
    const { sessions, updates, ends, notices } = heard(
      'gemini',
      { type: 'init', session_id: 's' },
      { type: 'message', role: 'user', content: 'hello' },
      { type: 'message', role: 'assistant', content: 'he', delta: true },
      { type: 'message', role: 'assistant', content: 'llo', delta: true },
      { type: 'tool_use', tool_name: 'run_shell_command', tool_id: 'c', parameters: { command: 'ls' } },
      { type: 'tool_result', tool_id: 'c', status: 'success', output: 'a' },
      { type: 'result', status: 'success', stats: { input_tokens: 1, output_tokens: 2, total_tokens: 3 } },
    );
    expect(sessions).toEqual(['s']);
    expect(updates).toEqual([
      chunk('he'),
      chunk('llo'),
      expect.objectContaining({ sessionUpdate: 'tool_call', toolCallId: 'c', kind: 'execute', title: 'ls' }),
      ended('c', 'completed', 'a'),
    ]);
    expect(ends).toMatchObject([{ stopReason: 'end_turn', usage: { totalTokens: 3 } }]);
    expect(notices).toEqual([]);
  });

  it('tells of a tool that it had nobody to ask for, and of its errors', () => {
    const said = heard(
      'gemini',
      { type: 'tool_result', tool_id: 'c', status: 'error', error: { type: 'tool_not_registered', message: 'gone' } },
      { type: 'result', status: 'error', error: { message: 'quota' } },
    );
    expect(said.notices).toMatchObject([{ code: 'permission_denied', message: expect.stringContaining('gone') }]);
    expect(said.failures).toEqual(['quota']);
  });
});

describe('what opencode prints', () => {
  const line = (type: string, part: object) => ({ type, sessionID: 'ses_1', part: { messageID: 'm', ...part } });
  const tool = (state: object) => line('tool_use', { callID: 'c', tool: 'bash', state });
  const step = (reason: string) =>
    line('step_finish', { reason, tokens: { input: 1, output: 2, total: 3, cache: { read: 0 } } });

  it('is told in the words of ACP; the last step is the end, and all steps count', () => {
    const { sessions, updates, ends } = heard(
      'opencode',
      line('step_start', {}),
      tool({ status: 'completed', input: { command: 'ls' }, output: 'a', title: 'List' }),
      step('tool-calls'),
      line('text', { id: 'p', text: 'done' }),
      step('stop'),
    );
    expect(new Set(sessions)).toEqual(new Set(['ses_1']));
    expect(updates).toEqual([
      expect.objectContaining({ sessionUpdate: 'tool_call', toolCallId: 'c', title: 'List', kind: 'execute' }),
      ended('c', 'completed', 'a'),
      chunk('done'),
    ]);
    expect(ends).toMatchObject([
      { stopReason: 'end_turn', usage: { inputTokens: 2, outputTokens: 4, totalTokens: 6 } },
    ]);
  });

  it('ends with a call that was rejected', () => {
    const error = 'The user rejected permission to use this specific tool call.';
    const { ends, notices } = heard('opencode', tool({ status: 'error', error }), step('tool-calls'));
    expect(ends).toHaveLength(1);
    expect(notices).toMatchObject([{ code: 'permission_denied' }]);
  });

  it('may fail', () => {
    const failed = { type: 'error', sessionID: 's', error: { name: 'APIError', data: { message: 'no model' } } };
    expect(heard('opencode', failed).failures).toEqual(['no model']);
  });
});

it('nothing that it does not know makes a reader fail', () => {
  for (const harness of Object.keys(CLI_DIALECTS)) {
    const odd = ['assistant', 'user', 'result', 'item.completed', 'tool_use', 'step_finish', 'error', 'system', 'new'];
    for (const type of odd) {
      expect(() => heard(harness, { type }, { type, item: 1, part: null, message: { content: 'x' } })).not.toThrow();
    }
  }
});

it.each([
  ['Bash', 'execute'],
  ['run_shell_command', 'execute'],
  ['WebFetch', 'fetch'],
  ['Grep', 'search'],
  ['Write', 'edit'],
  ['Read', 'read'],
  ['TodoWrite', 'think'],
  ['mcp__x__y', 'other'],
])('a tool called %s is of the kind %s', (name, kind) => {
  expect(kindOf(name)).toBe(kind);
});
