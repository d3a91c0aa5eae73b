import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { RequestPermissionResponse } from '@agentclientprotocol/sdk/unstable';
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

describe('cancelling', () => {
  it.each(['[[say:here]][[hang]]', '[[say:here]][[stream:9999:5]]', '[[say:here]][[flood:999999]]'])(
    'ends %s with the stop reason "cancelled"',
    async (prompt) => {
      const session = await agent.newSession(cwd);
      const turn = agent.prompt(session, prompt);
      await agent.until(() => agent.said.startsWith('here'));
      await agent.cancel(session);
      await expect(turn).resolves.toEqual({ stopReason: 'cancelled' });
      await expect(agent.prompt(session, '[[say:next]]')).resolves.toEqual({ stopReason: 'end_turn' });
    },
  );

  it('ends a turn that waits for permission, without waiting for the answer', async () => {
    const session = await agent.newSession(cwd);
    const asked = new Promise<void>((resolve) => {
      agent.onPermission = () => {
        resolve();
        return new Promise<RequestPermissionResponse>(() => undefined);
      };
    });
    const turn = agent.prompt(session, '[[ask:Deploy]]');
    await asked;
    await agent.cancel(session);
    await expect(turn).resolves.toEqual({ stopReason: 'cancelled' });
  });

  it('is also what a permission request answered with "cancelled" means', async () => {
    agent.onPermission = async () => ({ outcome: { outcome: 'cancelled' } });
    const session = await agent.newSession(cwd);
    await expect(agent.prompt(session, '[[ask:Deploy]]')).resolves.toEqual({ stopReason: 'cancelled' });
    expect(agent.toolStatuses).toEqual(['pending']);
  });

  it('does not reach a deaf agent, nor does SIGTERM or the end of its stdin', async () => {
    const session = await agent.newSession(cwd);
    const turn = agent.prompt(session, '[[deaf]][[stream:40:5]]');
    await agent.until(() => agent.said.includes('chunk 1 '));
    await agent.cancel(session);
    agent.child.kill('SIGTERM');
    await expect(turn).resolves.toEqual({ stopReason: 'end_turn' });
    expect(agent.said).toContain('chunk 40 ');

    agent.child.stdin?.end();
    await agent.until(() => agent.stderr.includes('ignoring the end of stdin'));
    agent.child.kill('SIGTERM');
    await agent.until(() => agent.stderr.split('ignoring SIGTERM').length === 3);
    agent.child.kill('SIGKILL');
    expect(await agent.exited).toEqual([null, 'SIGKILL']);
  });

  it('by closing stdin ends the process', async () => {
    const session = await agent.newSession(cwd);
    const turn = agent.prompt(session, '[[say:here]][[hang]]').catch(() => undefined);
    await agent.until(() => agent.said === 'here');
    agent.child.stdin?.end();
    expect(await agent.exited).toEqual([0, null]);
    await turn;
  });
});
