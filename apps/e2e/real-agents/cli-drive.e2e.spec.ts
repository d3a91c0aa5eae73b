import { randomUUID } from 'node:crypto';
import { existsSync, readFileSync, rmSync } from 'node:fs';
import path from 'node:path';
import type { AgentSet } from '@holdfast/client';
import {
  agentHome,
  eventually,
  startFakeModel,
  type AgentHome,
  type FakeModel,
  type RealAgentKind,
} from '@holdfast/testing';
import { followUntil, isEnd, textOf, type Seen } from '../test/follow.js';
import { startStack, type Stack } from '../test/stack.js';

const agentsFolder = process.env['HOLDFAST_AGENTS'] ?? path.resolve(__dirname, '../../../.agents');

const kinds: RealAgentKind[] = ['codex', 'claude', 'gemini', 'opencode'];
/** Where each keeps its conversations, in its home. */
const stores: Record<RealAgentKind, string[]> = {
  codex: ['.codex/sessions'],
  claude: ['.claude/projects'],
  gemini: ['.gemini/tmp'],
  opencode: ['.local/share/opencode'],
};
/** Without one Gemini CLI would have another model choose it first. */
const models: Partial<Record<RealAgentKind, string>> = { gemini: 'gemini-2.5-flash' };

describe.each(kinds)('the real command line of %s, through the whole path', (kind) => {
  let model: FakeModel;
  let home: AgentHome;
  let stack: Stack;

  beforeAll(async () => {
    if (!existsSync(agentsFolder)) throw new Error('the agents are missing: run "node tools/install-agents.mjs"');
    model = await startFakeModel();
    home = await agentHome(kind, model.url);
    stack = await startStack({ env: { ...home.env, HOLDFAST_AGENTS_DIR: agentsFolder } });
    for (const approvals of ['ask', 'deny', 'bypass'] as const) await setAgent(approvals, { approvals });
  }, 180_000);
  afterAll(async () => {
    await stack?.stop();
    await model?.stop();
    await home?.remove();
  }, 30_000);

  const setAgent = (name: string, set: Partial<AgentSet>) =>
    stack.client.agents.setAgent({
      name,
      AgentSet: { harness: kind, drive: 'cli', ...(models[kind] && { model: models[kind] }), ...set },
    });
  const newSession = () => {
    const session_id = `s-${randomUUID()}`;
    const file = (name: string) => path.join(stack.folder, 'runner', 'sessions', session_id, name);
    return { session_id, file };
  };
  const send = (session_id: string, prompt: string, name: string) =>
    stack.client.invoke({ session_id, prompt, agent: { name }, detached: true });
  /** The session from its start to the end of the turn. These programs take seconds to start, and more on a busy machine. */
  const ended = (session_id: string, turn_id: string) => {
    const isItsEnd = (one: Seen) => isEnd(one) && one.event.turn_id === turn_id;
    return followUntil(stack, session_id, isItsEnd, '-1', 120_000);
  };
  /** The whole of a turn, as somebody sees it who looks at the session from its start. */
  const run = async (session_id: string, prompt: string, name: string): Promise<Seen[]> => {
    const { turn_id } = await send(session_id, prompt, name);
    return (await ended(session_id, turn_id)).filter(({ event }) => event.turn_id === turn_id);
  };
  const endOf = (seen: Seen[]) => seen.at(-1)!.event;
  const noticesOf = (seen: Seen[]) =>
    seen.filter(({ event }) => event.type === 'agent.notice').map(({ event }) => event.data['code']);
  const turnsOf = async (session_id: string) => {
    const { data } = await stack.client.streams.querySessionTurns({ SessionTurnQuery: { session_id } });
    return data;
  };
  /** What the model was last sent for the conversation itself, without the agent's own requests. */
  const lastSent = () => model.log.filter((entry) => !entry.side).at(-1)!.conversation;
  const prompts = () => lastSent().filter(({ role, kind }) => role === 'user' && kind === 'text');
  /** How many of the prompts hold this. */
  const times = (text: string) => prompts().filter((prompt) => prompt.text.includes(text)).length;

  it('runs a turn, and goes on with the conversation in the next one', async () => {
    const { session_id } = newSession();
    const first = await run(session_id, '[[say:first answer]]', 'deny');
    expect([endOf(first).type, textOf(first)]).toEqual(['turn.completed', 'first answer']);
    expect(first.find(({ event }) => event.type === 'turn.running')!.event.data).toMatchObject({
      drive: 'cli',
      approvals: 'deny',
    });

    const second = await run(session_id, '[[say:second answer]]', 'deny');
    expect([endOf(second).type, textOf(second)]).toEqual(['turn.completed', 'second answer']);
    const said = lastSent()
      .map(({ text }) => /\[\[say:first answer\]\]|\[\[say:second answer\]\]|^first answer$/.exec(text)?.[0])
      .filter((text) => text !== undefined);
    expect(said).toEqual(['[[say:first answer]]', 'first answer', '[[say:second answer]]']);

    const [newest, oldest] = await turnsOf(session_id);
    expect(newest!.agent_session_id).toEqual(expect.any(String));
    expect(oldest!.agent_session_id).toBe(newest!.agent_session_id);
    expect(newest).toMatchObject({ drive: 'cli', approvals: 'deny', usage: expect.any(Object) });
  }, 300_000);

  it('goes on with the conversation where the home has lost it', async () => {
    const { session_id } = newSession();
    await run(session_id, '[[say:kept]]', 'deny');
    for (const folder of stores[kind]) rmSync(path.join(home.home, folder), { recursive: true });
    const seen = await run(session_id, '[[say:found again]]', 'deny');
    expect([endOf(seen).type, textOf(seen)]).toEqual(['turn.completed', 'found again']);
    expect([times('[[say:kept]]'), times('[[say:found again]]')]).toEqual([1, 1]);
    const [newest, oldest] = await turnsOf(session_id);
    expect(newest!.agent_session_id).toBe(oldest!.agent_session_id);
  }, 300_000);

  it('a denied tool call leaves the disk untouched, also after a resume', async () => {
    const { session_id, file } = newSession();
    for (const name of ['one.txt', 'two.txt']) {
      const seen = await run(session_id, `[[ask:touch ${name}]]`, 'deny');
      expect(endOf(seen).type).toBe('turn.completed');
      // Codex tells the model alone that it was refused.
      if (kind !== 'codex') expect(noticesOf(seen)).toContain('permission_denied');
      expect(existsSync(file(name))).toBe(false);
    }
    const after = await run(session_id, '[[say:still here]]', 'deny');
    expect(textOf(after)).toBe('still here');
    expect(times('[[ask:touch one.txt]]')).toBe(1);
  }, 300_000);

  it('a question left unanswered after a CLI resume leaves the disk untouched', async () => {
    const { session_id, file } = newSession();
    await run(session_id, '[[say:hello]]', 'ask');
    const { turn_id } = await send(session_id, '[[ask:touch unanswered.txt]]', 'ask');
    // Only Claude Code can put its question to people; the others take the silence for a no by themselves.
    if (kind === 'claude') {
      await eventually(
        async () => {
          const { data } = await stack.client.interactions.querySessionInteractions({
            SessionInteractionQuery: { session_id, status: 'pending' },
          });
          expect(data).toMatchObject([{ turn_id, kind: 'user_approval' }]);
        },
        { timeout: 120_000 },
      );
      await stack.client.invoke({ session_id, detached: true });
    }
    const seen = await ended(session_id, turn_id);
    expect(endOf(seen).type).toBe(kind === 'claude' ? 'turn.cancelled' : 'turn.completed');
    expect(existsSync(file('unanswered.txt'))).toBe(false);
  }, 300_000);

  it('may bypass approvals only where its project allows it, and that is recorded', async () => {
    const { session_id, file } = newSession();
    const allow = (allow_approval_bypass: boolean) =>
      stack.client.project.editProjectSettings({ ProjectSettingsEdit: { allow_approval_bypass } });
    await expect(send(session_id, '[[sh:touch bold.txt]]', 'bypass')).rejects.toMatchObject({
      status: 403,
      code: 'approval_bypass_not_allowed',
    });
    await allow(true);
    const seen = await run(session_id, '[[sh:touch bold.txt]]', 'bypass');
    await allow(false);
    expect(endOf(seen).type).toBe('turn.completed');
    expect(existsSync(file('bold.txt'))).toBe(true);
    expect(seen[0]!.event).toMatchObject({ type: 'turn.queued', data: { drive: 'cli', approvals: 'bypass' } });
    expect(await turnsOf(session_id)).toMatchObject([{ drive: 'cli', approvals: 'bypass' }]);
  }, 300_000);

  it('is ended in the middle of a turn, and goes on with what it has in the next one', async () => {
    const { session_id } = newSession();
    await run(session_id, '[[say:hello]]', 'deny');
    const { turn_id } = await send(session_id, '[[say:begun]][[sleep:60000]]', 'deny');
    await eventually(() => expect(times('[[say:begun]]')).toBe(1), { timeout: 120_000 });
    await stack.client.invoke({ session_id, detached: true });
    const seen = await ended(session_id, turn_id);
    expect(endOf(seen).type).toBe('turn.cancelled');

    const next = await run(session_id, '[[say:went on]]', 'deny');
    expect([endOf(next).type, textOf(next)]).toEqual(['turn.completed', 'went on']);
    expect(times('[[say:hello]]')).toBe(1);
  }, 300_000);

  if (kind === 'claude') {
    it('puts what Claude Code asks to people, and does what they allow', async () => {
      const { session_id, file } = newSession();
      const { turn_id } = await send(session_id, '[[ask:echo allowed | tee allowed.txt]]', 'ask');
      const question = await eventually(
        async () => {
          const { data } = await stack.client.interactions.querySessionInteractions({
            SessionInteractionQuery: { session_id, status: 'pending' },
          });
          if (!data[0]) throw new Error('no question yet');
          return data[0];
        },
        { timeout: 120_000 },
      );
      expect(existsSync(file('allowed.txt'))).toBe(false);
      await stack.client.respond(question.interaction_id, { decision: 'allow' });
      const seen = await ended(session_id, turn_id);
      expect(readFileSync(file('allowed.txt'), 'utf8')).toBe('allowed\n');
      expect(seen.map(({ event }) => event.type)).toEqual(
        expect.arrayContaining(['interaction.requested', 'interaction.responded', 'interaction.resolved']),
      );
    }, 300_000);
  }

  if (kind === 'codex') {
    it('says so when it ends before the id of its conversation is known, and begins anew then', async () => {
      await setAgent('homeless', { environment: { CODEX_HOME: '/nonexistent/codex' } });
      const { session_id } = newSession();
      const seen = await run(session_id, 'hello', 'homeless');
      expect(endOf(seen)).toMatchObject({ type: 'turn.failed', data: { error: { code: 'native_id_unknown' } } });
      expect(textOf(await run(session_id, '[[say:anew]]', 'deny'))).toBe('anew');
    }, 300_000);
  }
});
