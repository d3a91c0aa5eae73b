import { execFileSync } from 'node:child_process';
import { existsSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { agentProgram, AgentUnderTest, choose } from './agent-process.js';

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

it('explains its directives when asked', () => {
  expect(execFileSync(process.execPath, [agentProgram, '--help'], { encoding: 'utf8' })).toContain('[[ask:TITLE]]');
});

it('introduces itself as an agent that can load and resume', () => {
  expect(agent.introduction).toMatchObject({
    protocolVersion: 1,
    agentCapabilities: { loadSession: true, sessionCapabilities: { resume: {} } },
    _meta: { steering: { supported: true } },
  });
});

describe('a script', () => {
  it('plays its steps in the order of the prompt', async () => {
    const session = await agent.newSession(cwd);
    const response = await agent.prompt(
      session,
      'One two [[think:hm]][[plan:a|b]][[say:three]][[tool:Look]][[stream:2:1]][[usage:9]]',
    );

    expect(response).toEqual({
      stopReason: 'end_turn',
      usage: { inputTokens: 5, outputTokens: 4, totalTokens: 9 },
    });
    expect(agent.updates.map((update) => update.sessionUpdate)).toEqual([
      ...['agent_message_chunk', 'agent_message_chunk', 'agent_thought_chunk', 'plan', 'agent_message_chunk'],
      ...['tool_call', 'tool_call_update', 'tool_call_update', 'agent_message_chunk', 'agent_message_chunk'],
    ]);
    expect(agent.texts('agent_message_chunk')).toEqual(['One ', 'two ', 'three', 'chunk 1 ', 'chunk 2 ']);
    expect(agent.toolStatuses).toEqual(['pending', 'in_progress', 'completed']);
    expect(agent.questions).toEqual([]);
  });

  it('that is malformed is refused before anything is done', async () => {
    const session = await agent.newSession(cwd);
    const refused = agent.prompt(session, '[[say:hello]][[stream:many:1]]');
    await expect(refused).rejects.toMatchObject({ code: -32602, message: expect.stringContaining('[[stream:N:MS]]') });
    expect(agent.updates).toEqual([]);
  });

  it('can end in an error, after which the session takes the next prompt', async () => {
    const session = await agent.newSession(cwd);
    const failed = agent.prompt(session, '[[fail:the model is on holiday]]');
    await expect(failed).rejects.toMatchObject({ code: -32603, message: 'the model is on holiday' });
    await expect(agent.prompt(session, '[[say:back]]')).resolves.toEqual({ stopReason: 'end_turn' });
  });

  it('can crash the process in the middle of a turn', async () => {
    const session = await agent.newSession(cwd);
    const broken = agent.prompt(session, '[[stderr:about to fall]][[say:so far]][[crash]][[say:never]]');
    await expect(broken).rejects.toThrow();
    expect(await agent.exited).toEqual([1, null]);
    expect(agent.said).toBe('so far');
    expect(agent.stderr).toContain('about to fall\n');
  });

  it('can leave a child behind in its process group', async () => {
    const session = await agent.newSession(cwd);
    await agent.prompt(session, '[[fork]]');
    const child = Number(agent.said);
    expect(groupOf(child)).toBe(agent.child.pid);
    agent.child.stdin?.end();
    await agent.exited;
    expect(groupOf(child)).toBe(agent.child.pid);
  });

  it('can start many children in its process group', async () => {
    const session = await agent.newSession(cwd);
    await agent.prompt(session, '[[spawn:5]]');
    expect(agent.said).toBe('5 children');
    expect(childrenOf(agent.child.pid as number).map(groupOf)).toEqual(Array(5).fill(agent.child.pid));
  });

  it('can start a daemon: out of its group, not its child, deaf to SIGTERM', async () => {
    const session = await agent.newSession(cwd);
    await agent.prompt(session, '[[daemon]]');
    const daemon = Number(agent.said);
    try {
      expect(groupOf(daemon)).toBe(daemon);
      expect(childrenOf(agent.child.pid as number)).toEqual([]);
      process.kill(daemon, 'SIGTERM');
      await agent.prompt(session, '[[say:still]]');
      expect(groupOf(daemon)).toBe(daemon);
    } finally {
      process.kill(daemon, 'SIGKILL');
    }
  });

  it('can take memory', async () => {
    const session = await agent.newSession(cwd);
    await agent.prompt(session, '[[eat:200]]');
    const kibibytes = Number(execFileSync('ps', ['-o', 'rss=', '-p', String(agent.child.pid)], { encoding: 'utf8' }));
    expect(kibibytes).toBeGreaterThan(200 * 1024);
  });

  it('can be noisy on stderr', async () => {
    const session = await agent.newSession(cwd);
    await agent.prompt(session, '[[noise:3]]');
    await agent.until(() => Buffer.byteLength(agent.stderr) >= 3 * 1024);
    expect(agent.stderr.split('\n').map((line) => Number.parseInt(line))).toEqual([1, 2, 3, NaN]);
  });

  it('delivers a flood whole and in order', async () => {
    const session = await agent.newSession(cwd);
    await agent.prompt(session, '[[flood:2000]]');
    const chunks = agent.texts('agent_message_chunk');
    expect(chunks.map((chunk) => Number.parseInt(chunk))).toEqual(
      Array.from({ length: 2000 }, (_, index) => index + 1),
    );
    expect(new Set(chunks.map((chunk) => Buffer.byteLength(chunk)))).toEqual(new Set([1024]));
  });
});

describe('the demonstration', () => {
  it('thinks, plans, asks before it writes a file, and quotes the prompt', async () => {
    agent.onPermission = async () => choose('allow_once');
    const session = await agent.newSession(cwd);
    await expect(agent.prompt(session, 'What can you do?')).resolves.toEqual({ stopReason: 'end_turn' });

    const kinds = new Set(agent.updates.map((update) => update.sessionUpdate));
    for (const kind of ['agent_thought_chunk', 'plan', 'tool_call', 'agent_message_chunk'])
      expect(kinds).toContain(kind);
    expect(agent.questions).toHaveLength(1);
    expect(agent.said).toContain('> What can you do?');
    expect(readFileSync(join(cwd, 'hello-from-holdfast.md'), 'utf8')).toContain('> What can you do?');
    const lastPlan = agent.updates.filter((update) => update.sessionUpdate === 'plan').at(-1);
    expect(lastPlan).toMatchObject({
      entries: [{ status: 'completed' }, { status: 'completed' }, { status: 'completed' }],
    });

    await agent.prompt(session, 'And now?');
    expect(agent.said).toContain('what you wrote before that:\n\n> What can you do?');
  });

  it('respects a refusal', async () => {
    const session = await agent.newSession(cwd);
    await agent.prompt(session, 'Hello');
    expect(agent.said).toContain('You said no');
    expect(existsSync(join(cwd, 'hello-from-holdfast.md'))).toBe(false);
  });
});

function childrenOf(pid: number): number[] {
  const lines = execFileSync('ps', ['-e', '-o', 'pid=,ppid=,stat='], { encoding: 'utf8' }).trim().split('\n');
  const processes = lines.map((line) => line.trim().split(/\s+/));
  return processes
    .filter(([, parent, state]) => Number(parent) === pid && !state?.startsWith('Z'))
    .map(([id]) => Number(id));
}

/** The process group of a process that runs. */
function groupOf(pid: number): number {
  return Number(execFileSync('ps', ['-o', 'pgid=', '-p', String(pid)], { encoding: 'utf8' }));
}
