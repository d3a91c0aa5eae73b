import { chmodSync, existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import type { SessionTurnGrant } from '@holdfast/client';
import { AgentLauncher } from '../src/agent-launcher.js';
import type { HarnessCommands } from '../src/cli-drive/harness-commands.js';
import type { AgentClient, DrivenAgent, PermissionRequest } from '../src/driven-agent.js';
import type { ToolsServer } from '../src/tools/tools-socket.js';
import { processIsGone, watchdogPath } from './processes.js';

async function until(fact: () => boolean): Promise<void> {
  while (!fact()) await delay(10);
}

/** Programs in place of the real command lines: what they print is what the test says. */
describe("a harness's own command line", () => {
  let folder: string;
  let started: DrivenAgent[];
  beforeEach(() => {
    folder = mkdtempSync(join(tmpdir(), 'holdfast-cli-'));
    started = [];
    mkdirSync(join(folder, 'bin'));
    mkdirSync(join(folder, 'work'));
  });
  afterEach(async () => {
    for (const agent of started) agent.process.end(0);
    await Promise.all(started.map(({ process }) => process.exited));
    rmSync(folder, { recursive: true, force: true });
  });

  const idOfClaude = '5f6f8f2e-0a51-4a6c-9a53-0d4f0f6d2c11';
  /** `body` runs as the program of this name, with `say(line)`, `input`, `args` and `fs`. */
  function program(name: string, body: string): void {
    const file = join(folder, 'bin', name);
    const text = `#!${process.execPath}
      const fs = require('fs');
      const args = process.argv.slice(2);
      const input = fs.readFileSync(0, 'utf8');
      const say = (line) => fs.writeSync(1, JSON.stringify(line) + '\\n');
      ${body}`;
    writeFileSync(file, text);
    chmodSync(file, 0o700);
  }

  function start(grant: Partial<SessionTurnGrant>, commands: HarnessCommands = {}, tools?: ToolsServer) {
    const said = {
      updates: [] as Record<string, unknown>[],
      notices: [] as { code: string; message: string }[],
      sessions: [] as string[],
      questions: [] as PermissionRequest[],
    };
    const answers: ('allow' | 'deny')[] = [];
    const client: AgentClient = {
      tools,
      onOutput: () => undefined,
      onSession: (id) => said.sessions.push(id),
      onUpdate: (update) => said.updates.push(update),
      onNotice: (notice) => said.notices.push(notice),
      room: async () => undefined,
      onPermission: async (request, withdrawn) => {
        said.questions.push(request);
        const answer = answers.shift();
        if (answer) return { outcome: { outcome: 'selected', optionId: answer }, onDelivered: () => undefined };
        await new Promise((resolve) => withdrawn.addEventListener('abort', resolve, { once: true }));
        return { outcome: { outcome: 'cancelled' }, onDelivered: () => undefined };
      },
    };
    const environment = { PATH: `${join(folder, 'bin')}:${process.env.PATH}`, HOME: folder };
    const full = {
      drive: 'cli',
      approvals: 'ask',
      model: null,
      environment: {},
      command: null,
      ...grant,
    } as SessionTurnGrant;
    const agent = new AgentLauncher(null, environment, commands).prepare(full).start(
      {
        cwd: join(folder, 'work'),
        mark: join(folder, 'work'),
        limitMs: 60_000,
        limits: { processes: 512, memoryMib: 8_192 },
        watchdogPath,
        onStderr: () => undefined,
      },
      client,
    );
    started.push(agent);
    return { agent, said, answers };
  }

  async function run(grant: Partial<SessionTurnGrant>, prompt = 'hello', resume: string | null = null) {
    const { agent, said } = start(grant);
    await agent.initialize();
    const opened = await agent.openSession(join(folder, 'work'), resume);
    const end = await agent.prompt(prompt).catch((error: Error) => error);
    await agent.process.exited;
    return { end, said, opened };
  }

  it('is given its prompt on stdin, which is closed, and says how the prompt ended before its process is gone', async () => {
    program(
      'codex',
      `say({ type: 'thread.started', thread_id: 't-1' });
       say({ type: 'item.completed', item: { id: '0', type: 'agent_message', text: input } });
       say({ type: 'turn.completed', usage: {} });`,
    );
    const { agent, said } = start({ harness: 'codex' });
    expect(await agent.openSession('', null)).toBeUndefined();
    const order: string[] = [];
    void agent.process.exited.then(() => order.push('exited'));
    const prompt = `--help ${'x'.repeat(300_000)}`;
    const end = await agent.prompt(prompt);
    order.push('ended');
    await agent.process.exited;
    expect(end).toEqual({ stopReason: 'end_turn' });
    expect(order).toEqual(['ended', 'exited']);
    expect(said.sessions).toEqual(['t-1']);
    expect(said.updates).toEqual([{ sessionUpdate: 'agent_message_chunk', content: { type: 'text', text: prompt } }]);
  });

  it('reads lines however they are cut, and passes over what is none of its own', async () => {
    program(
      'codex',
      `const line = JSON.stringify({ type: 'item.completed', item: { id: '0', type: 'agent_message', text: 'é€😀' } });
       const bytes = Buffer.from('a warning\\n{not json\\n[1]\\n' + line + '\\n{"type":"turn.completed"}');
       for (const byte of bytes) fs.writeSync(1, Buffer.from([byte]));`,
    );
    const { said, end } = await run({ harness: 'codex' });
    expect(said.updates).toMatchObject([{ content: { text: 'é€😀' } }]);
    expect(end).toEqual({ stopReason: 'end_turn' });
  });

  it('is started without leave to act unasked, unless the turn has it', async () => {
    program(
      'codex',
      `say({ type: 'item.completed', item: { id: '0', type: 'agent_message', text: args.join(' ') } });`,
    );
    const argsOf = async (approvals: 'ask' | 'deny' | 'bypass', resume: string | null = null) => {
      const { said } = await run({ harness: 'codex', approvals }, 'x', resume);
      return (said.updates[0]!.content as { text: string }).text;
    };
    for (const resume of [null, idOfClaude]) {
      for (const approvals of ['ask', 'deny'] as const) {
        const args = await argsOf(approvals, resume);
        expect(args).toContain('approval_policy="never"');
        expect(args).toContain('read-only');
        expect(args).not.toContain('bypass');
      }
      expect(await argsOf('bypass', resume)).toContain('--dangerously-bypass-approvals-and-sandbox');
    }
  });

  it('is resumed by its own command, under the same id', async () => {
    program(
      'claude',
      `say({ type: 'system', subtype: 'init', session_id: args[args.indexOf('--resume') + 1] });
      say({ type: 'result', subtype: 'success', is_error: false });`,
    );
    const { opened, end, said } = await run({ harness: 'claude', approvals: 'deny' }, 'x', idOfClaude);
    expect([opened, end, said.sessions]).toEqual([idOfClaude, { stopReason: 'end_turn' }, []]);
  });

  it('may not go on with another conversation in place of its own', async () => {
    program('codex', `say({ type: 'thread.started', thread_id: 'another' }); setTimeout(() => undefined, 60_000);`);
    const { end } = await run({ harness: 'codex' }, 'x', idOfClaude);
    expect(end).toMatchObject({ name: 'ResumeImpossible', message: expect.stringContaining('another') });
  });

  it.each([
    ['codex', 'Error: thread/resume failed: no rollout found for thread id', idOfClaude],
    ['claude', 'No conversation found with session ID: x', idOfClaude],
    ['gemini', 'Error resuming session: No previous sessions found for this project.', idOfClaude],
    ['opencode', 'Error: Session not found', 'ses_1'],
  ])('that does not know its conversation (%s) fails as such', async (harness, words, id) => {
    program(harness, `console.error(${JSON.stringify(words)}); process.exit(1);`);
    const { end } = await run({ harness, approvals: 'deny' }, 'x', id);
    expect(end).toMatchObject({ name: 'ResumeImpossible', message: expect.stringContaining(words) });
  });

  it.each(['codex', 'opencode'])(
    'that chooses its id and dies before it tells it (%s) says so, with its last words',
    async (harness) => {
      program(harness, `console.error('no such option'); process.exit(2);`);
      const { end } = await run({ harness });
      expect(end).toMatchObject({
        code: 'native_id_unknown',
        message: expect.stringMatching(/code 2.*no such option/s),
      });
    },
  );

  it('whose id was chosen for it tells it once it has taken it', async () => {
    program(
      'claude',
      `const id = args[args.indexOf('--session-id') + 1];
      if (input === 'die') process.exit(3);
      say({ type: 'system', subtype: 'init', session_id: id });
      say({ type: 'result', subtype: 'success', is_error: false });`,
    );
    const good = await run({ harness: 'claude', approvals: 'deny' });
    expect(good.said.sessions).toEqual([expect.stringMatching(/^[0-9a-f-]{36}$/)]);
    const bad = await run({ harness: 'claude', approvals: 'deny' }, 'die');
    expect([bad.said.sessions, bad.end]).toMatchObject([[], { name: 'AgentGone', exit: { code: 3 } }]);
  });

  it('that says it failed fails the turn with what it said', async () => {
    program(
      'codex',
      `say({ type: 'thread.started', thread_id: 't' });
      say({ type: 'turn.failed', error: { message: 'no such model' } }); process.exit(1);`,
    );
    const { end } = await run({ harness: 'codex' });
    expect(end).toMatchObject({ code: 'agent_error', message: expect.stringContaining('no such model') });
  });

  it('is interrupted where it is cancelled, and its turn ends as cancelled whatever it exits with', async () => {
    program(
      'codex',
      `process.on('SIGINT', () => process.exit(7));
      say({ type: 'thread.started', thread_id: 't' }); setInterval(() => undefined, 1_000);`,
    );
    const { agent, said } = start({ harness: 'codex' });
    await agent.openSession('', null);
    const end = agent.prompt('x');
    await until(() => said.sessions.length > 0);
    await agent.cancel();
    expect(await end).toEqual({ stopReason: 'cancelled' });
    expect(await agent.process.exited).toMatchObject({ code: 7, signal: null });
  });

  it('is ended with all it started, in the middle of its prompt', async () => {
    program(
      'codex',
      `const child = require('child_process').spawn('sleep', ['600'], { detached: true, stdio: 'ignore' });
      say({ type: 'thread.started', thread_id: String(child.pid) }); setInterval(() => undefined, 1_000);`,
    );
    const { agent, said } = start({ harness: 'codex' });
    await agent.openSession('', null);
    const end = agent.prompt('x').catch((error: Error) => error);
    await until(() => said.sessions.length > 0);
    agent.process.end(0);
    expect(await end).toMatchObject({ name: 'AgentGone' });
    await processIsGone(Number(said.sessions[0]));
  });

  it('that stays after its prompt is over is ended', async () => {
    program('codex', `say({ type: 'turn.completed' }); setInterval(() => undefined, 1_000);`);
    expect((await run({ harness: 'codex' })).end).toEqual({ stopReason: 'end_turn' });
  });

  it('that is not on this machine is told with what to install; a harness without one is refused', () => {
    expect(() => start({ harness: 'gemini' })).toThrow(/gemini.*npm install/);
    expect(() => start({ harness: 'scripted' })).toThrow(/drives no command line/);
  });

  it('can be ended before it was started', async () => {
    program('codex', '');
    const { agent } = start({ harness: 'codex' });
    agent.process.end(0);
    expect(await agent.process.exited).toMatchObject({ code: null, left: 0 });
    await agent.drained;
    await expect(agent.prompt('x')).rejects.toThrow();
  });

  describe("is told of the turn's tools", () => {
    const tools: ToolsServer = {
      name: 'holdfast',
      command: '/bin/node',
      args: ['/the/bridge.js', '/the/socket'],
      env: [{ name: 'HOLDFAST_TOOLS_SECRET', value: 's3cr3t' }],
    };
    /** The arguments and the environment that the program was started with. */
    const startedWith = async (harness: string, grant: Partial<SessionTurnGrant> = {}, commands?: HarnessCommands) => {
      program(harness, `fs.writeFileSync('started', JSON.stringify({ args, env: process.env }));`);
      const { agent } = start({ harness, approvals: 'deny', ...grant }, commands, tools);
      await agent.openSession('', null);
      await agent.prompt('x').catch(() => undefined);
      await agent.process.exited;
      const text = readFileSync(join(folder, 'work', 'started'), 'utf8');
      return JSON.parse(text) as { args: string[]; env: Record<string, string> };
    };

    it('by --mcp-config of Claude Code, beside the tool that asks', async () => {
      for (const approvals of ['deny', 'ask'] as const) {
        const { args, env } = await startedWith('claude', { approvals });
        const { mcpServers } = JSON.parse(args[args.indexOf('--mcp-config') + 1]!) as { mcpServers: object };
        expect(Object.keys(mcpServers).sort()).toEqual(
          approvals === 'ask' ? ['holdfast', 'holdfast_approvals'] : ['holdfast'],
        );
        const passed = { HOLDFAST_TOOLS_SECRET: '${HOLDFAST_TOOLS_SECRET}' };
        const { command, args: bridge } = tools;
        expect(mcpServers).toMatchObject({ holdfast: { type: 'stdio', command, args: bridge, env: passed } });
        expect([args.join(' ').includes('s3cr3t'), env['HOLDFAST_TOOLS_SECRET']]).toEqual([false, 's3cr3t']);
      }
    });

    it('by settings on the command line of Codex', async () => {
      const { args, env } = await startedWith('codex');
      expect(args.filter((arg) => arg.startsWith('mcp_servers.'))).toEqual([
        'mcp_servers.holdfast.command="/bin/node"',
        'mcp_servers.holdfast.args=["/the/bridge.js","/the/socket"]',
        'mcp_servers.holdfast.env_vars=["HOLDFAST_TOOLS_SECRET"]',
        'mcp_servers.holdfast.tool_timeout_sec=660',
      ]);
      expect([args.join(' ').includes('s3cr3t'), env['HOLDFAST_TOOLS_SECRET']]).toEqual([false, 's3cr3t']);
    });

    it('by a variable of opencode, unless its user has set that', async () => {
      const { env } = await startedWith('opencode');
      expect(JSON.parse(env['OPENCODE_CONFIG_CONTENT']!)).toMatchObject({
        mcp: { holdfast: { type: 'local', command: ['/bin/node', '/the/bridge.js', '/the/socket'] } },
      });
      const own = await startedWith('opencode', { environment: { OPENCODE_CONFIG_CONTENT: '{}' } });
      expect(own.env['OPENCODE_CONFIG_CONTENT']).toBe('{}');
    });

    it('nowhere where its operator replaced the command', async () => {
      const mine = join(folder, 'bin', 'claude');
      const { args, env } = await startedWith('claude', {}, { claude: { fresh: [mine, '{native_id}'] } });
      expect(args).not.toContain('--mcp-config');
      expect(Object.keys(env)).not.toContain('HOLDFAST_TOOLS_SECRET');
    });
  });

  describe('of Claude Code, which asks', () => {
    /** Asks as Claude Code does: by the server that it was told of, with the tool that it was told to ask. */
    const asking = `
      const { spawn } = require('child_process');
      const { mcpServers } = JSON.parse(args[args.indexOf('--mcp-config') + 1]);
      const [, name, tool] = args[args.indexOf('--permission-prompt-tool') + 1].split('__');
      const server = spawn(mcpServers[name].command, mcpServers[name].args, { stdio: ['pipe', 'pipe', 'inherit'] });
      const send = (message) => server.stdin.write(JSON.stringify({ jsonrpc: '2.0', ...message }) + '\\n');
      say({ type: 'system', subtype: 'init', session_id: args[args.indexOf('--session-id') + 1] });
      send({ id: 0, method: 'server/discover' });
      send({ id: 1, method: 'initialize', params: { protocolVersion: '2025-06-18' } });
      send({ method: 'notifications/initialized' });
      send({ id: 2, method: 'tools/list' });
      const asked = { tool_name: 'Bash', tool_use_id: 'c', input: { command: 'touch x' } };
      send({ id: 3, method: 'tools/call', params: { name: tool, arguments: asked } });
      require('readline').createInterface({ input: server.stdout }).on('line', (line) => {
        const { id, result } = JSON.parse(line);
        if (id !== 3) return;
        const verdict = JSON.parse(result.content[0].text);
        if (verdict.behavior === 'allow') fs.writeFileSync(verdict.updatedInput.command.split(' ')[1], '');
        say({ type: 'assistant', uuid: '1', message: { content: [{ type: 'tool_use', id: 'c', name: 'Bash', input: asked.input }] } });
        say({ type: 'assistant', uuid: '2', message: { content: [{ type: 'text', text: JSON.stringify(verdict) }] } });
        say({ type: 'result', subtype: 'success', is_error: false });
        server.kill();
      });`;

    const ask = async (answer: 'allow' | 'deny') => {
      program('claude', asking);
      const { agent, said, answers } = start({ harness: 'claude' });
      answers.push(answer);
      await agent.openSession('', null);
      const end = await agent.prompt('x');
      return { end, said, isDone: existsSync(join(folder, 'work', 'x')) };
    };

    it('puts its question to people, and does what they allow', async () => {
      const { end, said, isDone } = await ask('allow');
      expect(end).toEqual({ stopReason: 'end_turn' });
      expect(said.questions).toEqual([
        {
          toolCall: {
            toolCallId: 'c',
            title: 'touch x',
            kind: 'execute',
            status: 'pending',
            rawInput: { command: 'touch x' },
          },
          options: [
            { optionId: 'allow', name: 'Allow', kind: 'allow_once' },
            { optionId: 'deny', name: 'Deny', kind: 'reject_once' },
          ],
        },
      ]);
      expect(isDone).toBe(true);
      // The question told of the tool call before its own line did: it is told once.
      expect(said.updates.filter(({ sessionUpdate }) => sessionUpdate === 'tool_call')).toHaveLength(1);
    });

    it('does not do what they deny', async () => {
      const { said, isDone } = await ask('deny');
      expect(isDone).toBe(false);
      expect(JSON.stringify(said.updates)).toContain('This was denied.');
    });

    it('withdraws the question when it is ended, and has done nothing', async () => {
      program('claude', asking);
      const { agent, said } = start({ harness: 'claude' });
      await agent.openSession('', null);
      const end = agent.prompt('x').catch((error: Error) => error);
      await until(() => said.questions.length > 0);
      agent.process.end(0);
      expect(await end).toMatchObject({ name: 'AgentGone' });
      expect(existsSync(join(folder, 'work', 'x'))).toBe(false);
    });

    it.each(['deny', 'bypass'] as const)('is given nobody to ask where its approvals are "%s"', async (approvals) => {
      program(
        'claude',
        `fs.writeFileSync('args', args.join(' '));
        say({ type: 'result', subtype: 'success', is_error: false });`,
      );
      await run({ harness: 'claude', approvals });
      const args = readFileSync(join(folder, 'work', 'args'), 'utf8');
      expect(args).not.toContain('--permission-prompt-tool');
      expect(args.includes('--dangerously-skip-permissions')).toBe(approvals === 'bypass');
    });
  });

  describe('that its operator replaced', () => {
    const print = `say({ type: 'system', subtype: 'init', session_id: args[0] });
      say({ type: 'assistant', uuid: '1', message: { content: [{ type: 'text', text: JSON.stringify([args, input]) }] } });
      say({ type: 'result', subtype: 'success', is_error: false });`;

    it('is run as the template says, without a shell', async () => {
      program('mine', print);
      const mine = join(folder, 'bin', 'mine');
      const prompt = '$(touch pwned) {cwd} "quoted"';
      const { agent, said } = start(
        { harness: 'claude' },
        { claude: { fresh: [mine, '{native_id}', '{prompt}', 'in {cwd}'], resume: [mine, '{native_id}'] } },
      );
      await agent.openSession('', null);
      await agent.prompt(prompt);
      const [args, input] = JSON.parse((said.updates[0]!.content as { text: string }).text) as [string[], string];
      expect(args).toEqual([said.sessions[0], prompt, `in ${join(folder, 'work')}`]);
      expect(input).toBe('');
      expect(existsSync(join(folder, 'work', 'pwned'))).toBe(false);
    });

    it('is given the prompt on stdin where the template does not name it', async () => {
      program('mine', print);
      const mine = join(folder, 'bin', 'mine');
      const { agent, said } = start(
        { harness: 'claude' },
        { claude: { fresh: [mine, '{native_id}'], resume: [mine, '{native_id}'] } },
      );
      await agent.openSession('', idOfClaude);
      await agent.prompt('hello');
      expect(said.updates).toMatchObject([{ content: { text: JSON.stringify([[idOfClaude], 'hello']) } }]);
    });
  });
});
