import { existsSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { methods } from '@agentclientprotocol/sdk/unstable';
import { AgentUnderTest, choose } from './agent-process.js';

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

describe('permission', () => {
  it('once given, lets the tool run and is asked for again', async () => {
    agent.onPermission = async () => choose('allow_once');
    const session = await agent.newSession(cwd);
    await agent.prompt(session, '[[ask:Deploy]][[ask:Deploy]]');

    expect(agent.toolStatuses).toEqual([
      ...['pending', 'in_progress', 'completed'],
      ...['pending', 'in_progress', 'completed'],
    ]);
    expect(agent.questions).toHaveLength(2);
    expect(agent.questions[0]).toMatchObject({
      sessionId: session,
      toolCall: { title: 'Deploy', status: 'pending' },
      options: [{ kind: 'allow_once' }, { kind: 'allow_always' }, { kind: 'reject_once' }],
    });
    const ids = agent.questions.map((question) => question.toolCall.toolCallId);
    expect(new Set(ids).size).toBe(2);
  });

  it('refused, fails the tool and says so, and the turn goes on', async () => {
    const session = await agent.newSession(cwd);
    const response = await agent.prompt(session, '[[ask:Deploy]][[say:anyway]]');
    expect(response).toEqual({ stopReason: 'end_turn' });
    expect(agent.toolStatuses).toEqual(['pending', 'failed']);
    expect(agent.said).toBe('I was not allowed to: Deploy\nanyway');
  });

  it('given for always, is remembered for that title, also by the process that resumes the session', async () => {
    agent.onPermission = async () => choose('allow_always');
    const session = await agent.newSession(cwd);
    await agent.prompt(session, '[[ask:Deploy]][[ask:Deploy]]');
    expect(agent.questions).toHaveLength(1);

    await restart();
    await agent.connection.agent.request(methods.agent.session.resume, { sessionId: session, cwd });
    await agent.prompt(session, '[[ask:Deploy]][[ask:Delete]]');
    expect(agent.questions.map((question) => question.toolCall.title)).toEqual(['Delete']);
    expect(agent.toolStatuses).toEqual(['pending', 'in_progress', 'completed', 'pending', 'failed']);
  });

  it('decides whether a file is written', async () => {
    const session = await agent.newSession(cwd);
    await agent.prompt(session, '[[write:notes/a.txt:refused]]');
    expect(existsSync(join(cwd, 'notes/a.txt'))).toBe(false);

    agent.onPermission = async () => choose('allow_once');
    await agent.prompt(session, '[[write:notes/a.txt:first line\nsecond]]');
    expect(readFileSync(join(cwd, 'notes/a.txt'), 'utf8')).toBe('first line\nsecond');
  });

  it('does not reach outside the working directory', async () => {
    agent.onPermission = async () => choose('allow_once');
    const session = await agent.newSession(cwd);
    await agent.prompt(session, `[[write:../escaped-${session}.txt:x]]`);
    expect(agent.toolStatuses).toEqual(['pending', 'in_progress', 'failed']);
    expect(existsSync(join(cwd, `../escaped-${session}.txt`))).toBe(false);
  });
});

async function restart(): Promise<void> {
  await agent.kill();
  agent = await AgentUnderTest.start(cwd);
}
