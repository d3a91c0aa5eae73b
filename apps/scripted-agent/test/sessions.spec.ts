import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { methods } from '@agentclientprotocol/sdk/unstable';
import { AgentUnderTest } from './agent-process.js';

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

describe('a session', () => {
  it('goes on in another process, also after the first was killed in a turn', async () => {
    const session = await agent.newSession(cwd);
    await agent.prompt(session, 'first [[say:answer]]');
    void agent.prompt(session, 'second [[hang]]').catch(() => undefined);
    await agent.until(() => agent.said.includes('second'));

    await restart();
    await agent.connection.agent.request(methods.agent.session.resume, { sessionId: session, cwd });
    expect(agent.updates).toEqual([]);
    await agent.prompt(session, '[[recall]]');
    expect(agent.said).toBe('1. first [[say:answer]]\n2. second [[hang]]\n');
  });

  it('goes on without the line that was cut off when the machine died', async () => {
    const session = await agent.newSession(cwd);
    await agent.prompt(session, 'first [[say:answer]]');
    await agent.kill();
    const file = join(cwd, '.scripted-agent', `${session}.jsonl`);
    const before = readFileSync(file, 'utf8');
    writeFileSync(file, `${before}{"prompt":"cut`);

    await restart();
    await agent.connection.agent.request(methods.agent.session.resume, { sessionId: session, cwd });
    await agent.prompt(session, '[[recall]]');
    expect(agent.said).toBe('1. first [[say:answer]]\n');
    expect(readFileSync(file, 'utf8').startsWith(`${before}{"prompt":"[[recall]]"}\n`)).toBe(true);
  });

  it('is replayed when it is loaded', async () => {
    const session = await agent.newSession(cwd);
    await agent.prompt(session, 'Hello [[say:there]]');

    await restart();
    await agent.connection.agent.request(methods.agent.session.load, { sessionId: session, cwd, mcpServers: [] });
    expect(agent.texts('user_message_chunk')).toEqual(['Hello [[say:there]]']);
    expect(agent.texts('agent_message_chunk')).toEqual(['Hello there']);
  });

  it('remembers nothing of another', async () => {
    await agent.prompt(await agent.newSession(cwd), '[[say:secret]]');
    agent.updates.length = 0;
    await agent.prompt(await agent.newSession(cwd), '[[recall]]');
    expect(agent.said).toBe('No earlier prompts in this session.\n');
  });

  it.each(['00000000-0000-0000-0000-000000000000', '../../package'])(
    'that does not exist is refused: %s',
    async (id) => {
      const { agent: remote } = agent.connection;
      const unknown = { code: -32002 };
      await expect(remote.request(methods.agent.session.resume, { sessionId: id, cwd })).rejects.toMatchObject(unknown);
      await expect(agent.prompt(id, 'hello')).rejects.toMatchObject(unknown);
    },
  );

  it('runs one turn at a time', async () => {
    const session = await agent.newSession(cwd);
    const turn = agent.prompt(session, '[[say:here]][[hang]]');
    await agent.until(() => agent.said === 'here');
    await expect(agent.prompt(session, '[[say:too]]')).rejects.toMatchObject({ code: -32600 });
    await agent.cancel(session);
    await expect(turn).resolves.toEqual({ stopReason: 'cancelled' });
  });
});

async function restart(): Promise<void> {
  await agent.kill();
  agent = await AgentUnderTest.start(cwd);
}
