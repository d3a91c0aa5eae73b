import { randomUUID } from 'node:crypto';
import { eventually } from '@holdfast/testing';
import { followUntil, isEnd, textOf, typesOf, type Seen } from './follow.js';
import { startStack, type Stack } from './stack.js';

const backends = process.env['HOLDFAST_TEST_REDIS_URL'] ? ['PostgreSQL alone', 'Redis'] : ['PostgreSQL alone'];

describe.each(backends)('a session, end to end, on %s', (backend) => {
  let stack: Stack;
  beforeAll(async () => {
    stack = await startStack({ redis: backend === 'Redis' });
  }, 60_000);
  afterAll(() => stack?.stop(), 30_000);

  const newSession = async () => {
    const session_id = `s-${randomUUID()}`;
    await stack.client.sessions.createSession({ session_id, SessionCreate: {} });
    return session_id;
  };
  const send = (session_id: string, prompt: string) =>
    stack.client.invoke({ session_id, prompt, agent: { name: 'scripted' } });
  const pendingQuestion = (session_id: string) =>
    eventually(async () => {
      const { data } = await stack.client.interactions.querySessionInteractions({
        SessionInteractionQuery: { session_id, status: 'pending' },
      });
      if (!data[0]) throw new Error('no question yet');
      return data[0];
    });

  it('runs from the prompt over a permission to the end of the turn, and is a transcript afterwards', async () => {
    const session_id = await newSession();
    const { turn_id } = await send(session_id, '[[say:Before.]] [[ask:Write a file]] [[say:After.]] [[usage:42]]');
    const watching = followUntil(stack, session_id);

    const question = await pendingQuestion(session_id);
    expect(question).toMatchObject({ session_id, turn_id, kind: 'user_approval', status: 'pending' });
    const answered = await stack.client.respond(question.interaction_id, { decision: 'allow' });
    expect(answered).toMatchObject({ status: 'responded', verdict: { decision: 'allow' } });

    const seen = await watching;
    const facts = typesOf(seen).filter((type) => !type.startsWith('agent.'));
    expect(facts).toEqual([
      'session.created',
      'turn.queued',
      'turn.starting',
      'turn.running',
      'interaction.requested',
      'interaction.responded',
      'interaction.resolved',
      'turn.completed',
    ]);
    expect(textOf(seen)).toContain('Before.');
    expect(textOf(seen)).toContain('After.');
    expect(seen.at(-1)!.event).toMatchObject({ turn_id, data: { stop_reason: 'end_turn' } });

    const turn = await stack.client.streams.fetchSessionTurn({ turn_id });
    expect(turn).toMatchObject({ status: 'completed', stop_reason: 'end_turn', attempt: 1, error: null });
    expect(turn.usage).not.toBeNull();

    const transcript = await eventually(async () => {
      const page = await stack.client.transcripts.querySessionTranscripts({ SessionTranscriptQuery: { session_id } });
      if (page.projected_offset !== page.tail_offset) throw new Error('not projected yet');
      return page;
    });
    expect(transcript.projected_offset).toBe(seen.at(-1)!.offset);
    const types = transcript.data.map(({ type }) => type);
    expect(types[0]).toBe('user_message');
    expect(types).toEqual(expect.arrayContaining(['agent_message', 'tool_call', 'interaction']));
    expect(types.at(-1)).toBe('turn_end');
  });

  it('a denied permission reaches the agent as a denial', async () => {
    const session_id = await newSession();
    await send(session_id, '[[ask:Delete everything]]');
    const question = await pendingQuestion(session_id);
    await stack.client.respond(question.interaction_id, { decision: 'deny', message: 'certainly not' });
    const seen = await followUntil(stack, session_id);
    const call = seen
      .map(({ event }) => event.data)
      .filter((data) => data['sessionUpdate'] === 'tool_call_update')
      .at(-1);
    expect(call).toMatchObject({ status: 'failed' });
  });

  it('of many answers exactly one wins, and the others learn whose it was', async () => {
    const session_id = await newSession();
    await send(session_id, '[[ask:Choose]]');
    const question = await pendingQuestion(session_id);
    const results = await Promise.allSettled(
      Array.from({ length: 8 }, (_, index) =>
        stack.client.respond(question.interaction_id, { decision: index % 2 ? 'allow' : 'deny' }),
      ),
    );
    expect(results.filter(({ status }) => status === 'fulfilled')).toHaveLength(1);
    for (const result of results) {
      if (result.status === 'rejected') {
        expect(result.reason).toMatchObject({ status: 409, code: 'interaction_already_answered' });
      }
    }
    await followUntil(stack, session_id);
  });

  it('any number of viewers, from any offset, see the same events once and in order', async () => {
    const session_id = await newSession();
    await send(session_id, '[[stream:60:10]]');
    const viewers = await Promise.all(Array.from({ length: 5 }, () => followUntil(stack, session_id)));
    for (const viewer of viewers) expect(viewer).toEqual(viewers[0]);
    expect(textOf(viewers[0]!).match(/chunk \d+/g)).toEqual(Array.from({ length: 60 }, (_, n) => `chunk ${n + 1}`));

    for (const position of [0, 1, 7, viewers[0]!.length - 2]) {
      const rest = await followUntil(stack, session_id, isEnd, viewers[0]![position]!.offset);
      expect(rest).toEqual(viewers[0]!.slice(position + 1));
    }
  });

  it('K7: the next turn goes on with the same conversation, though nothing but the new prompt is sent', async () => {
    const session_id = await newSession();
    await send(session_id, '[[say:first]] remember the heron');
    const first = await followUntil(stack, session_id);
    await send(session_id, '[[recall]]');
    const second = await followUntil(stack, session_id, isEnd, first.at(-1)!.offset);
    expect(textOf(second)).toContain('heron');
    const turns = await stack.client.streams.querySessionTurns({ SessionTurnQuery: { session_id } });
    expect(turns.data.map(({ turn_index, status }) => [turn_index, status])).toEqual([
      [1, 'completed'],
      [0, 'completed'],
    ]);
    expect(turns.data[0]!.agent_session_id).toBe(turns.data[1]!.agent_session_id);
  });

  it('a turn that hangs can be cancelled, and the session used again', async () => {
    const session_id = await newSession();
    await send(session_id, '[[say:thinking]] [[hang]]');
    const isText = ({ event }: Seen) => event.type === 'agent.update';
    await followUntil(stack, session_id, isText);
    expect(await stack.client.invoke({ session_id })).toMatchObject({ mode: 'cancel', status: 'stopping' });
    const seen = await followUntil(stack, session_id);
    expect(typesOf(seen).slice(-2)).toEqual(['turn.stopping', 'turn.cancelled']);

    await send(session_id, '[[say:again]]');
    const again = await followUntil(stack, session_id, isEnd, seen.at(-1)!.offset);
    expect(again.at(-1)!.event.type).toBe('turn.completed');
  });

  it('cancelling while a question is open closes the question', async () => {
    const session_id = await newSession();
    await send(session_id, '[[ask:May I]]');
    const question = await pendingQuestion(session_id);
    await stack.client.invoke({ session_id });
    await followUntil(stack, session_id);
    const closed = await stack.client.interactions.fetchSessionInteraction(question);
    expect(closed.status).toBe('cancelled');
    await expect(stack.client.respond(question.interaction_id, { decision: 'allow' })).rejects.toMatchObject({
      status: 409,
      code: 'interaction_closed',
    });
  });

  it.each([
    ['reports an error', '[[fail:no more tokens]]', 'agent_error'],
    ['dies', '[[say:bye]] [[crash]]', 'agent_exited'],
  ])('a turn whose agent %s is failed and says why', async (_, prompt, code) => {
    const session_id = await newSession();
    const { turn_id } = await send(session_id, prompt);
    await followUntil(stack, session_id);
    const turn = await stack.client.streams.fetchSessionTurn({ turn_id });
    expect(turn).toMatchObject({ status: 'failed', error: { code } });
  });

  it('a flood of output is kept whole and in order', async () => {
    const session_id = await newSession();
    await send(session_id, '[[flood:3000]]');
    const seen = await followUntil(stack, session_id);
    const chunks = seen.filter(({ event }) => event.data['sessionUpdate'] === 'agent_message_chunk');
    expect(chunks).toHaveLength(3000);
  });

  it('an agent that is not on this machine fails the turn with what to install', async () => {
    const session_id = await newSession();
    const { turn_id } = await stack.client.invoke({ session_id, prompt: 'hello', agent: { name: 'gemini' } });
    await followUntil(stack, session_id);
    const turn = await stack.client.streams.fetchSessionTurn({ turn_id });
    expect(turn).toMatchObject({ status: 'failed', error: { code: 'harness_not_found' } });
  });
});
