import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { AgentUnderTest } from './agent-process.js';

let cwd: string;
let agent: AgentUnderTest;
let session: string;

beforeEach(async () => {
  cwd = mkdtempSync(join(tmpdir(), 'scripted-agent-'));
  agent = await AgentUnderTest.start(cwd);
  session = await agent.newSession(cwd);
});

afterEach(async () => {
  await agent.kill();
  rmSync(cwd, { recursive: true });
});

function steer(text: string, idleBehavior: string | null = 'promptRequired'): Promise<unknown> {
  const params = { sessionId: session, prompt: [{ type: 'text', text }], _meta: { steering: { idleBehavior } } };
  return agent.connection.agent.request('_session/steering', params);
}

describe('a prompt that is handed in while another one runs', () => {
  it('is played between the steps of that one, which ends after it', async () => {
    const turn = agent.prompt(session, '[[say:first ]][[listen]][[say:last]]');
    await agent.until(() => agent.said === 'first ');
    await expect(steer('[[say:steered ]][[usage:4]]')).resolves.toEqual({ outcome: 'injected' });
    await expect(turn).resolves.toMatchObject({ stopReason: 'end_turn', usage: { totalTokens: 4 } });
    expect(agent.said).toBe('first steered last');
  });

  it('is played also when it comes during the last step, and as text when it is malformed', async () => {
    const turn = agent.prompt(session, '[[stream:3:100]]');
    await agent.until(() => agent.said === 'chunk 1 ');
    await steer('[[stream:x]]');
    await turn;
    expect(agent.said).toBe('chunk 1 chunk 2 chunk 3 [[stream:x]]');
  });

  it('is not waited for again when it was played before', async () => {
    const turn = agent.prompt(session, '[[stream:2:100]][[listen]][[say:last]]');
    await agent.until(() => agent.said === 'chunk 1 ');
    await steer('[[say:steered ]]');
    await turn;
    expect(agent.said).toBe('chunk 1 chunk 2 steered last');
  });

  it('is left to its sender when nothing runs any more', async () => {
    await expect(steer('[[say:x]]')).resolves.toEqual({ outcome: 'promptRequired', reason: 'noRunningTurn' });
    await agent.prompt(session, '[[say:only]]');
    await expect(steer('[[say:x]]')).resolves.toMatchObject({ outcome: 'promptRequired' });
    expect(agent.said).toBe('only');
  });

  it('is refused when its sender could not take it back', async () => {
    await expect(steer('[[say:x]]', null)).rejects.toMatchObject({ code: -32602 });
  });

  it('is not waited for any more once the turn is cancelled', async () => {
    const turn = agent.prompt(session, '[[say:here]][[listen]][[say:never]]');
    await agent.until(() => agent.said === 'here');
    await agent.cancel(session);
    await expect(turn).resolves.toEqual({ stopReason: 'cancelled' });
    await expect(steer('[[say:x]]')).resolves.toMatchObject({ outcome: 'promptRequired' });
  });
});
