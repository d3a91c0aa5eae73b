import { startFakeModel } from '../src/fake-model/fake-model.js';
import type { FakeModel } from '../src/fake-model/fake-model.js';

let model: FakeModel;

beforeEach(async () => {
  model = await startFakeModel();
});

afterEach(() => model.stop());

describe('Anthropic Messages', () => {
  const tools = [{ name: 'Bash' }];
  const ask = (content: unknown, more: object = {}) =>
    post('/v1/messages?beta=true', { model: 'm', tools, messages: [{ role: 'user', content }], ...more });

  it('streams text in deltas between start and stop', async () => {
    const text = 'a text that is longer than one delta 🙂🙂🙂🙂🙂';
    const events = await readEvents(await ask(`[[say:${text}]]`, { stream: true }));

    expect(withoutRepeats(events.map(({ type }) => type))).toEqual([
      'message_start',
      'content_block_start',
      'content_block_delta',
      'content_block_stop',
      'message_delta',
      'message_stop',
    ]);
    const deltas = events.filter(({ type }) => type === 'content_block_delta').map(({ delta }) => delta.text);
    expect(deltas.length).toBeGreaterThan(1);
    expect(deltas.join('')).toBe(text);
    expect(events.find(({ type }) => type === 'message_delta')).toMatchObject({
      delta: { stop_reason: 'end_turn' },
      usage: { output_tokens: expect.any(Number) },
    });
  });

  it('streams a tool call with its arguments in pieces of JSON', async () => {
    const events = await readEvents(await ask('[[say:now]][[sh:echo "long enough for two deltas"]]', { stream: true }));

    const starts = events.filter(({ type }) => type === 'content_block_start');
    expect(starts).toMatchObject([
      { index: 0, content_block: { type: 'text', text: '' } },
      { index: 1, content_block: { type: 'tool_use', id: expect.stringMatching(/^toolu_/), name: 'Bash', input: {} } },
    ]);
    const pieces = events.filter(({ delta, index }) => index === 1 && delta).map(({ delta }) => delta.partial_json);
    expect(JSON.parse(pieces.join(''))).toMatchObject({ command: 'echo "long enough for two deltas"' });
    expect(events.find(({ type }) => type === 'message_delta')).toMatchObject({ delta: { stop_reason: 'tool_use' } });
  });

  it('answers whole when it is not asked to stream', async () => {
    expect(await (await ask('[[say:now]][[sh:ls]]')).json()).toMatchObject({
      type: 'message',
      role: 'assistant',
      content: [
        { type: 'text', text: 'now' },
        { type: 'tool_use', name: 'Bash', input: { command: 'ls' } },
      ],
      stop_reason: 'tool_use',
    });
  });

  it('logs the conversation without what the harness put into it', async () => {
    const reminder = { type: 'text', text: '<system-reminder>be brief</system-reminder>' };
    await post('/v1/messages', {
      model: 'm',
      tools,
      messages: [
        { role: 'user', content: [reminder, { type: 'text', text: 'prompt' }] },
        { role: 'system', content: 'environment' },
        { role: 'assistant', content: [{ type: 'tool_use', id: 'c1', name: 'Bash', input: { command: 'ls' } }] },
        {
          role: 'user',
          content: [{ type: 'tool_result', tool_use_id: 'c1', content: [{ type: 'text', text: 'out' }] }],
        },
      ],
    });

    expect(model.log).toMatchObject([
      { seq: 1, api: 'anthropic-messages', model: 'm', tools: ['Bash'], side: false, prompts: ['prompt'] },
    ]);
    expect(model.log[0]?.conversation).toEqual([
      { role: 'user', kind: 'text', text: 'prompt' },
      { role: 'assistant', kind: 'call', text: '{"command":"ls"}', name: 'Bash', id: 'c1' },
      { role: 'tool', kind: 'result', text: 'out', id: 'c1' },
    ]);
  });

  it('marks a request without the shell tool as one of the harness, and does not run its script', async () => {
    const answer = await (await ask('Give this a title: [[fail:500]]', { tools: [] })).json();
    expect(answer).toMatchObject({ content: [{ type: 'text', text: 'ok' }] });
    expect(model.log).toMatchObject([{ side: true }]);
  });

  it('fails with the status of the script', async () => {
    const response = await ask('[[fail:529]]', { stream: true });
    expect(response.status).toBe(529);
    expect(await response.json()).toMatchObject({ type: 'error', error: { type: 'api_error' } });
  });

  it('counts tokens', async () => {
    const response = await post('/v1/messages/count_tokens', { messages: [] });
    expect(await response.json()).toEqual({ input_tokens: expect.any(Number) });
    expect(model.log).toEqual([]);
  });
});

describe('OpenAI Responses', () => {
  const tools = [{ type: 'function', name: 'exec_command' }, { type: 'web_search' }];
  const message = (role: string, text: string) => ({ type: 'message', role, content: [{ type: 'input_text', text }] });
  const ask = (input: unknown, more: object = {}) => post('/v1/responses', { model: 'm', tools, input, ...more });

  it('streams text between created and completed, numbered without gaps', async () => {
    const text = 'a text that is longer than one delta';
    const events = await readEvents(await ask([message('user', `[[say:${text}]]`)], { stream: true }));

    expect(withoutRepeats(events.map(({ type }) => type))).toEqual([
      'response.created',
      'response.output_item.added',
      'response.content_part.added',
      'response.output_text.delta',
      'response.output_text.done',
      'response.content_part.done',
      'response.output_item.done',
      'response.completed',
    ]);
    expect(events.map(({ sequence_number }) => sequence_number)).toEqual(events.map((_, index) => index));
    const deltas = events.filter(({ type }) => type === 'response.output_text.delta').map(({ delta }) => delta);
    expect(deltas.length).toBeGreaterThan(1);
    expect(deltas.join('')).toBe(text);
    expect(events.at(-1)?.response).toMatchObject({
      id: events[0]?.response.id,
      status: 'completed',
      output: [{ type: 'message', content: [{ type: 'output_text', text }] }],
      usage: { input_tokens: expect.any(Number), output_tokens: expect.any(Number), total_tokens: expect.any(Number) },
    });
  });

  it('calls a tool of an MCP server in the namespace that Codex gives it', async () => {
    const answer = await ask('[[tool:mcp__some_server__the_tool {"a":1}]]');
    const { output } = (await answer.json()) as { output: object[] };
    expect(output).toMatchObject([
      { type: 'function_call', namespace: 'mcp__some_server', name: 'the_tool', arguments: '{"a":1}' },
    ]);
  });

  it('asks for permission in the form that Codex asks a person about', async () => {
    const events = await readEvents(await ask([message('user', '[[ask:ls]]')], { stream: true }));

    const item = events.find(({ type }) => type === 'response.output_item.done')?.item;
    expect(item).toMatchObject({
      type: 'function_call',
      name: 'exec_command',
      call_id: expect.stringMatching(/^call_/),
    });
    expect(JSON.parse(item.arguments)).toMatchObject({ cmd: 'ls', sandbox_permissions: 'require_escalated' });
  });

  it('answers whole when it is not asked to stream', async () => {
    expect(await (await ask('[[sh:ls]]')).json()).toMatchObject({
      object: 'response',
      status: 'completed',
      output: [{ type: 'function_call', name: 'exec_command', arguments: '{"cmd":"ls"}' }],
    });
  });

  it('logs the conversation without what the harness put into it', async () => {
    await ask([
      message('developer', 'permissions'),
      message('user', '<environment_context>\n  <cwd>/</cwd>\n</environment_context>'),
      message('user', '# AGENTS.md instructions for /\n'),
      message('user', 'prompt'),
      { type: 'reasoning', summary: [] },
      { type: 'function_call', name: 'exec_command', arguments: '{"cmd":"ls"}', call_id: 'c1' },
      { type: 'function_call_output', call_id: 'c1', output: 'out' },
    ]);

    expect(model.log).toMatchObject([
      { api: 'openai-responses', tools: ['exec_command', 'web_search'], side: false, prompts: ['prompt'] },
    ]);
    expect(model.log[0]?.conversation).toEqual([
      { role: 'user', kind: 'text', text: 'prompt' },
      { role: 'assistant', kind: 'call', text: '{"cmd":"ls"}', name: 'exec_command', id: 'c1' },
      { role: 'tool', kind: 'result', text: 'out', id: 'c1' },
    ]);
  });

  it("marks Codex's review of an approval as one of the harness", async () => {
    const review = 'The following is the Codex agent history whose request action you are assessing. [[sh:ls]]';
    await ask([message('user', review)]);
    expect(model.log).toMatchObject([{ side: true, reply: { parts: [{ say: 'ok' }] } }]);
  });
});

describe('OpenAI Chat Completions', () => {
  const tools = [{ type: 'function', function: { name: 'bash' } }];
  const ask = (content: unknown, more: object = {}) =>
    post('/v1/chat/completions', { model: 'm', tools, messages: [{ role: 'user', content }], ...more });

  it('streams text in chunks, then the reason it ended, what it used, and the mark of the end', async () => {
    const text = 'a text that is longer than one delta 🙂🙂🙂🙂🙂';
    const chunks = await readData(await ask(`[[say:${text}]]`, { stream: true }));

    expect(chunks.pop()).toBe('[DONE]');
    expect(new Set(chunks.map(({ id, object }) => `${id} ${object}`)).size).toBe(1);
    const choices = chunks.flatMap((chunk) => chunk.choices);
    expect(choices[0]).toMatchObject({ delta: { role: 'assistant' }, finish_reason: null });
    expect(choices.length).toBeGreaterThan(3);
    expect(choices.map(({ delta }) => delta.content ?? '').join('')).toBe(text);
    expect(choices.at(-1)).toMatchObject({ finish_reason: 'stop' });
    expect(chunks.at(-1)).toMatchObject({ choices: [], usage: { total_tokens: expect.any(Number) } });
  });

  it('streams a tool call with its arguments in pieces of JSON', async () => {
    const chunks = await readData(await ask('[[say:now]][[sh:echo "long enough for two deltas"]]', { stream: true }));

    const choices = chunks.slice(0, -1).flatMap((chunk) => chunk.choices);
    const calls = choices.flatMap(({ delta }) => delta.tool_calls ?? []);
    expect(calls[0]).toMatchObject({
      index: 0,
      id: expect.stringMatching(/^call_/),
      type: 'function',
      function: { name: 'bash' },
    });
    const pieces = calls.map((call) => call.function.arguments);
    expect(pieces.length).toBeGreaterThan(2);
    expect(JSON.parse(pieces.join(''))).toMatchObject({ command: 'echo "long enough for two deltas"' });
    expect(choices.at(-1)).toMatchObject({ finish_reason: 'tool_calls' });
  });

  it('answers whole when it is not asked to stream', async () => {
    expect(await (await ask('[[say:now]][[sh:ls]]')).json()).toMatchObject({
      object: 'chat.completion',
      choices: [
        {
          message: {
            role: 'assistant',
            content: 'now',
            tool_calls: [{ type: 'function', function: { name: 'bash' } }],
          },
          finish_reason: 'tool_calls',
        },
      ],
    });
  });

  it('logs the conversation without what the harness put into it', async () => {
    await post('/v1/chat/completions', {
      model: 'm',
      tools,
      messages: [
        { role: 'system', content: 'environment' },
        { role: 'user', content: [{ type: 'text', text: '<system-reminder>be brief</system-reminder>' }] },
        { role: 'user', content: [{ type: 'text', text: 'prompt' }] },
        {
          role: 'assistant',
          content: 'now',
          tool_calls: [{ id: 'c1', type: 'function', function: { name: 'bash', arguments: '{"command":"ls"}' } }],
        },
        { role: 'tool', tool_call_id: 'c1', content: 'out' },
      ],
    });

    expect(model.log).toMatchObject([{ api: 'openai-chat', tools: ['bash'], side: false, prompts: ['prompt'] }]);
    expect(model.log[0]?.conversation).toEqual([
      { role: 'user', kind: 'text', text: 'prompt' },
      { role: 'assistant', kind: 'text', text: 'now' },
      { role: 'assistant', kind: 'call', text: '{"command":"ls"}', name: 'bash', id: 'c1' },
      { role: 'tool', kind: 'result', text: 'out', id: 'c1' },
    ]);
  });

  it('marks a request without the shell tool as one of the harness, and does not run its script', async () => {
    const answer = await (await ask('Generate a title: [[fail:500]]', { tools: [] })).json();
    expect(answer).toMatchObject({ choices: [{ message: { content: 'ok' }, finish_reason: 'stop' }] });
    expect(model.log).toMatchObject([{ side: true }]);
  });
});

describe('Gemini', () => {
  const tools = [{ functionDeclarations: [{ name: 'read_file' }, { name: 'run_shell_command' }] }];
  const ask = (method: string, text: string, more: object = {}) =>
    post(`/v1beta/models/a-model:${method}`, { tools, contents: [{ role: 'user', parts: [{ text }] }], ...more });

  it('streams text in pieces until it stops', async () => {
    const text = 'a text that is longer than one delta 🙂🙂🙂🙂🙂';
    const chunks = await readData(await ask('streamGenerateContent?alt=sse', `[[say:${text}]]`));

    const candidates = chunks.flatMap((chunk) => chunk.candidates);
    expect(candidates.length).toBeGreaterThan(2);
    expect(candidates.map(({ content }) => content.parts[0].text).join('')).toBe(text);
    expect(candidates.map(({ finishReason }) => finishReason).filter(Boolean)).toEqual(['STOP']);
    expect(candidates.at(-1).finishReason).toBe('STOP');
    expect(chunks.at(-1)).toMatchObject({ usageMetadata: { totalTokenCount: expect.any(Number) } });
  });

  it('calls a tool', async () => {
    const chunks = await readData(await ask('streamGenerateContent?alt=sse', '[[say:now]][[sh:ls]]'));
    const parts = chunks.flatMap((chunk) => chunk.candidates[0].content.parts);
    expect(parts).toMatchObject([
      { text: 'now' },
      { functionCall: { name: 'run_shell_command', args: { command: 'ls' } } },
      { text: '' },
    ]);
  });

  it('answers whole when it is not asked to stream', async () => {
    expect(await (await ask('generateContent', '[[say:now]][[sh:ls]]')).json()).toMatchObject({
      candidates: [
        {
          content: { role: 'model', parts: [{ text: 'now' }, { functionCall: { name: 'run_shell_command' } }] },
          finishReason: 'STOP',
        },
      ],
    });
  });

  it('logs the conversation without what the harness put into it', async () => {
    await post('/v1beta/models/a-model:streamGenerateContent?alt=sse', {
      tools,
      contents: [
        { role: 'user', parts: [{ text: '<session_context>\nToday</session_context>' }] },
        { role: 'user', parts: [{ text: 'prompt' }] },
        {
          role: 'model',
          parts: [
            { text: 'musing', thought: true },
            { text: 'now' },
            { functionCall: { id: 'c1', name: 'run_shell_command', args: { command: 'ls' } } },
          ],
        },
        { role: 'user', parts: [{ functionResponse: { id: 'c1', name: 'x', response: { output: 'out' } } }] },
        { role: 'user', parts: [{ functionResponse: { id: 'c2', name: 'x', response: { error: 'refused' } } }] },
      ],
    });

    expect(model.log).toMatchObject([
      { api: 'gemini', model: 'a-model', stream: true, tools: ['read_file', 'run_shell_command'], side: false },
    ]);
    expect(model.log[0]?.conversation).toEqual([
      { role: 'user', kind: 'text', text: 'prompt' },
      { role: 'assistant', kind: 'text', text: 'now' },
      { role: 'assistant', kind: 'call', text: '{"command":"ls"}', name: 'run_shell_command', id: 'c1' },
      { role: 'tool', kind: 'result', text: 'out', id: 'c1' },
      { role: 'tool', kind: 'result', text: 'refused', id: 'c2' },
    ]);
  });

  it('marks a request without tools as one of the harness', async () => {
    await ask('generateContent', 'Which model is right for [[fail:500]]?', { tools: undefined });
    expect(model.log).toMatchObject([{ side: true, reply: { parts: [{ say: 'ok' }] } }]);
  });

  it('fails with the status of the script, and counts tokens', async () => {
    const failed = await ask('streamGenerateContent?alt=sse', '[[fail:503]]');
    expect(failed.status).toBe(503);
    expect(await failed.json()).toMatchObject({ error: { code: 503 } });
    const counted = await ask('countTokens', 'some words');
    expect(await counted.json()).toEqual({ totalTokens: expect.any(Number) });
    expect(model.log).toHaveLength(1);
  });
});

describe('the server', () => {
  it('answers HEAD, and refuses what it does not serve', async () => {
    expect((await fetch(model.url, { method: 'HEAD' })).status).toBe(200);
    expect((await fetch(`${model.url}/v1/models`)).status).toBe(404);
    expect((await post('/v1/messages', 'not a request')).status).toBe(400);
  });

  it('ends while it is still speaking', async () => {
    const messages = [{ role: 'user', content: '[[say:so far]][[sleep:600000]]' }];
    const response = await post('/v1/messages', { model: 'm', stream: true, tools: [{ name: 'Bash' }], messages });
    const rest = response.text();
    await Promise.all([model.stop(), expect(rest).rejects.toThrow()]);
  });
});

// The streamed events of both APIs are plain JSON with fields of their own.
// eslint-disable-next-line @typescript-eslint/no-explicit-any
type StreamedEvent = { type: string; [field: string]: any };

function post(path: string, body: unknown): Promise<Response> {
  return fetch(model.url + path, { method: 'POST', body: JSON.stringify(body) });
}

async function readEvents(response: Response): Promise<StreamedEvent[]> {
  expect(response.headers.get('content-type')).toBe('text/event-stream');
  return (await response.text())
    .trimEnd()
    .split('\n\n')
    .map((block) => {
      const [, name, data] = /^event: (.+)\ndata: (.+)$/.exec(block) ?? [];
      const event = JSON.parse(data ?? '') as StreamedEvent;
      expect(event.type).toBe(name);
      return event;
    });
}

/** What was streamed without names: JSON, and the words that are none. */
// eslint-disable-next-line @typescript-eslint/no-explicit-any
async function readData(response: Response): Promise<any[]> {
  expect(response.headers.get('content-type')).toBe('text/event-stream');
  const events = (await response.text()).trimEnd().split('\n\n');
  return events.map((event) => {
    expect(event).toMatch(/^data: [^\n]+$/);
    const data = event.slice('data: '.length);
    return data.startsWith('{') ? JSON.parse(data) : data;
  });
}

function withoutRepeats(names: string[]): string[] {
  return names.filter((name, index) => name !== names[index - 1]);
}
