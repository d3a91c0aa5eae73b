import { randomUUID } from 'node:crypto';
import { existsSync, readFileSync } from 'node:fs';
import path from 'node:path';
import {
  agentHome,
  eventually,
  startFakeModel,
  type AgentHome,
  type FakeModel,
  type RealAgentKind,
} from '@holdfast/testing';
import { followUntil, isEnd, textOf, typesOf } from '../test/follow.js';
import { startStack, type Stack } from '../test/stack.js';

const agentsFolder = process.env['HOLDFAST_AGENTS'] ?? path.resolve(__dirname, '../../../.agents');

// A refusal ends a Codex turn; Claude Code hands it to the model, which goes on.
const agents: [RealAgentKind, { afterDenial: string }][] = [
  ['codex', { afterDenial: 'turn.cancelled' }],
  ['claude', { afterDenial: 'turn.completed' }],
];

describe.each(agents)('the real %s, through the whole path', (kind, { afterDenial }) => {
  let model: FakeModel;
  let home: AgentHome;
  let stack: Stack;

  beforeAll(async () => {
    if (!existsSync(agentsFolder)) throw new Error('the agents are missing: run "node tools/install-agents.mjs"');
    model = await startFakeModel();
    home = await agentHome(kind, model.url);
    stack = await startStack({ env: { ...home.env, HOLDFAST_AGENTS_DIR: agentsFolder } });
  }, 90_000);
  afterAll(async () => {
    await stack?.stop();
    await model?.stop();
    await home?.remove();
  }, 30_000);

  const newSession = async () => {
    const session_id = `s-${randomUUID()}`;
    await stack.client.sessions.createSession({ session_id, SessionCreate: {} });
    const workspace = path.join(stack.folder, 'runner', 'sessions', session_id);
    return { session_id, workspace };
  };
  const send = (session_id: string, prompt: string) =>
    stack.client.invoke({ session_id, prompt, agent: { name: kind } });
  const answer = async (session_id: string, decision: 'allow' | 'deny') => {
    const question = await eventually(
      async () => {
        const { data } = await stack.client.interactions.querySessionInteractions({
          SessionInteractionQuery: { session_id, status: 'pending' },
        });
        if (!data[0]) throw new Error('no question yet');
        return data[0];
      },
      { timeout: 20_000 },
    );
    await stack.client.respond(question.interaction_id, { decision });
    return question;
  };
  /** What the model was sent for the conversation itself, without the agent's own requests. */
  const lastConversation = () => model.log.filter((entry) => !entry.side).at(-1)!.conversation;

  it('runs the tool that a person allows over HTTP, and goes on with the conversation in the next turn', async () => {
    const { session_id, workspace } = await newSession();
    const prompt = '[[ask:echo made-by-tool | tee made.txt]]';
    const { turn_id } = await send(session_id, prompt);
    const watching = followUntil(stack, session_id);
    const question = await answer(session_id, 'allow');
    expect(question).toMatchObject({ turn_id, kind: 'user_approval' });

    const seen = await watching;
    expect(readFileSync(path.join(workspace, 'made.txt'), 'utf8')).toBe('made-by-tool\n');
    expect(textOf(seen)).toContain('FAKE-REPLY turn=1');
    expect(typesOf(seen).filter((type) => !type.startsWith('agent.'))).toEqual([
      'session.created',
      'turn.queued',
      'turn.starting',
      'turn.running',
      'interaction.requested',
      'interaction.responded',
      'interaction.resolved',
      'turn.completed',
    ]);
    expect(lastConversation()).toEqual([
      { role: 'user', kind: 'text', text: prompt },
      expect.objectContaining({ role: 'assistant', kind: 'call' }),
      expect.objectContaining({ role: 'tool', kind: 'result', text: expect.stringContaining('made-by-tool') }),
    ]);

    await eventually(async () => {
      const page = await stack.client.transcripts.querySessionTranscripts({ SessionTranscriptQuery: { session_id } });
      const types = page.data.map(({ type }) => type);
      expect(types).toEqual(
        expect.arrayContaining(['user_message', 'tool_call', 'interaction', 'agent_message', 'turn_end']),
      );
    });

    await send(session_id, '[[say:and again]]');
    const next = await followUntil(stack, session_id, isEnd, seen.at(-1)!.offset);
    expect(textOf(next)).toContain('and again');
    const texts = lastConversation().map(({ text }) => text);
    expect(texts.filter((text) => text === prompt)).toHaveLength(1);
    expect(texts.at(-1)).toBe('[[say:and again]]');
  }, 60_000);

  it('does not run the tool that a person denies, and takes the next prompt', async () => {
    const { session_id, workspace } = await newSession();
    await send(session_id, '[[ask:touch denied.txt]]');
    const watching = followUntil(stack, session_id);
    await answer(session_id, 'deny');
    const seen = await watching;
    expect(seen.at(-1)!.event.type).toBe(afterDenial);
    expect(existsSync(path.join(workspace, 'denied.txt'))).toBe(false);

    await send(session_id, '[[say:still here]]');
    const next = await followUntil(stack, session_id, isEnd, seen.at(-1)!.offset);
    expect(next.at(-1)!.event.type).toBe('turn.completed');
    expect(textOf(next)).toContain('still here');
  }, 60_000);
});
