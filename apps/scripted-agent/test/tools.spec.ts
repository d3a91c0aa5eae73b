import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { methods } from '@agentclientprotocol/sdk/unstable';
import { AgentUnderTest } from './agent-process.js';

/** An MCP server with one tool, which answers what it was given and what it was started with. */
const server = `
  const send = (message) => process.stdout.write(JSON.stringify({ jsonrpc: '2.0', ...message }) + '\\n');
  const tool = { name: 'echo', inputSchema: { type: 'object' } };
  require('readline').createInterface({ input: process.stdin }).on('line', (line) => {
    const { id, method, params } = JSON.parse(line);
    const answers = {
      initialize: () => ({ protocolVersion: params.protocolVersion, capabilities: { tools: {} }, serverInfo: { name: 's', version: '1' } }),
      'tools/list': () => ({ tools: [tool] }),
      'tools/call': () => {
        const { arguments: input } = params;
        if (input.hang) return undefined;
        if (input.die) process.exit();
        const text = JSON.stringify([input, process.env.GIVEN]);
        return { content: [{ type: 'text', text }], ...(input.fail && { isError: true }) };
      },
    };
    const result = answers[method]?.();
    if (result) send({ id, result });
  });`;

describe('the tools of the MCP servers that a session was given', () => {
  let cwd: string;
  let agent: AgentUnderTest;
  beforeEach(async () => {
    cwd = mkdtempSync(join(tmpdir(), 'scripted-agent-'));
    agent = await AgentUnderTest.start(cwd);
  });
  afterEach(async () => {
    await agent.kill();
    rmSync(cwd, { recursive: true });
  });

  const mcpServers = [
    { name: 'given', command: process.execPath, args: ['-e', server], env: [{ name: 'GIVEN', value: 'yes' }] },
  ];
  const open = async (given: typeof mcpServers = mcpServers) => {
    const params = { cwd, mcpServers: given };
    const session = (await agent.connection.agent.request(methods.agent.session.new, params)) as { sessionId: string };
    return session.sessionId;
  };
  const outputs = () =>
    agent.updates.flatMap((update) =>
      update.sessionUpdate === 'tool_call_update' && update.rawOutput
        ? [[update.status, (update.rawOutput as { text: string }).text]]
        : [],
    );

  it('are called with what the script says, and their answers are the output of the tool calls', async () => {
    const session = await open();
    await agent.prompt(session, '[[call:echo {"a":[["b"]]}]][[call:echo {"fail":true}]][[call:echo]]');
    expect(outputs()).toEqual([
      ['completed', '[{"a":[["b"]]},"yes"]'],
      ['failed', '[{"fail":true},"yes"]'],
      ['completed', '[{},"yes"]'],
    ]);
    expect(agent.updates).toContainEqual(
      expect.objectContaining({ sessionUpdate: 'tool_call', title: 'echo', rawInput: { a: [['b']] } }),
    );
  });

  it('are looked for in vain where there are none', async () => {
    const session = await open([]);
    await agent.prompt(session, '[[call:echo]][[say:on]]');
    expect(outputs()).toEqual([['failed', expect.stringContaining('0 MCP servers has a tool echo')]]);
    expect(agent.said).toBe('on');
  });

  it('are there again in the next call when their server has died', async () => {
    const session = await open();
    await agent.prompt(session, '[[call:echo {"die":true}]][[call:echo {"n":2}]]');
    expect(outputs()).toEqual([
      ['failed', expect.any(String)],
      ['completed', '[{"n":2},"yes"]'],
    ]);
  });

  it('do not keep a turn from being cancelled', async () => {
    const session = await open();
    const prompt = agent.prompt(session, '[[call:echo {"hang":true}]][[say:never]]');
    await agent.until(() => agent.toolStatuses.includes('in_progress'));
    await agent.cancel(session);
    expect(await prompt).toEqual({ stopReason: 'cancelled' });
  });
});
