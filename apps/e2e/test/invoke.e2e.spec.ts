import { randomUUID } from 'node:crypto';
import type { LoggedEvent, SessionStreamInvoked } from '@holdfast/client';
import { eventually } from '@holdfast/testing';
import { startStack, type Stack } from './stack.js';
import { postInvoke, stay } from './turn-stream.js';

const newId = () => `s-${randomUUID()}`;
const STREAMS = '/v1/sessions/streams';

describe('commands over HTTP', () => {
  let stack: Stack;
  beforeAll(async () => {
    stack = await startStack({ apis: 2 });
    await stack.client.agents.setAgent({ name: 'nobody', AgentSet: { harness: 'scripted', pool: 'nowhere' } });
  }, 60_000);
  afterAll(() => stack?.stop(), 30_000);

  const post = async (path: string, body: object, key = stack.keys.api_key) => {
    const response = await fetch(`${stack.url}${path}`, {
      method: 'POST',
      headers: { authorization: `Bearer ${key}`, 'content-type': 'application/json' },
      body: JSON.stringify(body),
    });
    return { status: response.status, body: (await response.json()) as Record<string, unknown> };
  };
  const collect = async (events: AsyncIterable<LoggedEvent>) => {
    const types: string[] = [];
    for await (const { event } of events) types.push(event.type);
    return types;
  };
  const facts = (types: string[]) => types.filter((type) => !type.startsWith('agent.'));
  const LIFE = ['turn.queued', 'session.watcher_changed', 'turn.starting', 'turn.running', 'turn.completed'];
  /** A turn that goes on until somebody answers. */
  const ASKING = '[[ask:Go on]] [[say:Done.]]';
  const answer = async (session_id: string) => {
    const question = await eventually(async () => {
      const { data } = await stack.client.interactions.querySessionInteractions({
        SessionInteractionQuery: { session_id, status: 'pending' },
      });
      if (!data[0]) throw new Error('no question yet');
      return data[0];
    });
    await stack.client.respond(question.interaction_id, { decision: 'allow' });
  };

  describe('an invoke that is not detached', () => {
    it('is answered with the events of the turn, from the log, until it ends', async () => {
      const session_id = newId();
      const stream = await stay(stack, { session_id, prompt: '[[say:Hello.]]' });
      expect(stream.status).toBe(200);
      expect(stream.headers.get('content-type')).toBe('text/event-stream');
      await stream.ended;
      expect(stream.news[0]).toMatchObject({ event: 'invoked', data: { mode: 'send', session_id } });
      expect(facts(stream.events().map(({ type }) => type))).toEqual(LIFE);
      const { turn_id } = stream.news[0]!.data as SessionStreamInvoked;
      expect(new Set(stream.events().map((event) => event.turn_id))).toEqual(new Set([turn_id]));

      // The last control says where the next turn will begin.
      const { streamNextOffset } = stream.news.at(-1)!.data as { streamNextOffset: string };
      expect((await stack.client.streams.fetchSessionStream({ session_id })).tail_offset).toBe(streamNextOffset);
    });

    it('says what it did at once, though nobody runs the turn', async () => {
      const session_id = newId();
      const stream = await stay(stack, { session_id, prompt: 'hello', agent: { name: 'nobody' } });
      expect(await stream.next('invoked')).toMatchObject({ data: { status: 'queued' } });
      expect(await stream.next('data')).toMatchObject({ data: [{ type: 'turn.queued' }, expect.anything()] });
      await stack.client.invoke({ session_id });
      await stream.ended;
      expect(stream.events().at(-1)!.type).toBe('turn.cancelled');
    });

    it('K3: whoever leaves is detached, and the turn runs on', async () => {
      const session_id = newId();
      const stream = await stay(stack, { session_id, prompt: ASKING });
      const { turn_id } = (await stream.next('invoked'))!.data as SessionStreamInvoked;
      const liveness = () => stack.client.streams.fetchSessionLiveness({ session_id });
      expect(await liveness()).toMatchObject({ attached: true });
      stream.leave();
      const isLeft = { attached: false, alive: true, sandbox_live: true };
      await eventually(async () => expect(await liveness()).toMatchObject(isLeft));
      await answer(session_id);
      await eventually(async () =>
        expect(await stack.client.streams.fetchSessionTurn({ turn_id })).toMatchObject({ status: 'completed' }),
      );
    });

    it('J1: repeated under its key shows the same turn again, also when that is over', async () => {
      const session_id = newId();
      const headers = { 'idempotency-key': randomUUID() };
      const command = { session_id, prompt: '[[say:once]]' };
      const first = await stay(stack, command, { headers });
      await first.ended;
      const again = await stay(stack, command, { headers });
      await again.ended;
      expect(again.news[0]).toMatchObject({ event: 'invoked', data: { status: 'completed' } });
      expect(again.events()).toEqual(first.events());
    });

    it('waits for its turn when it is queued, and shows nothing of the one before', async () => {
      const session_id = newId();
      await stack.client.invoke({ session_id, prompt: ASKING });
      const stream = await stay(stack, { session_id, prompt: '[[say:second]]', on_busy: 'queue' });
      expect(await stream.next('invoked')).toMatchObject({ data: { mode: 'queue', status: 'inbox' } });
      await answer(session_id);
      await stream.ended;
      expect(facts(stream.events().map(({ type }) => type))).toEqual(['turn.inbox', ...LIFE]);
    });

    it('is refused as JSON when the command is', async () => {
      const session_id = newId();
      await stack.client.invoke({ session_id, prompt: 'hello', agent: { name: 'nobody' } });
      const refused = await postInvoke(stack, { session_id, prompt: 'again' });
      expect(refused.status).toBe(409);
      expect(await refused.json()).toMatchObject({
        code: 'session_in_use',
        turn_status: 'queued',
        allowed: ['queue', 'steer', 'cancel', 'attach', 'kill'],
      });
    });
  });

  describe('an attach', () => {
    it('B21: shows the turn from its start, and displaces whoever watched it, on any process, at once', async () => {
      const session_id = newId();
      const [here, there] = stack.apis;
      const first = await stay(stack, { session_id, prompt: ASKING }, { url: here!.url });
      await first.next('data');
      const second = await stay(stack, { session_id, force: true }, { url: there!.url });
      const { watcher_id } = (await second.next('invoked'))!.data as SessionStreamInvoked;
      expect(await first.next('displaced')).toMatchObject({ data: { watcher_id } });
      await first.ended;

      await answer(session_id);
      await second.ended;
      expect(second.events()[0]!.type).toBe('turn.queued');
      expect(second.events().at(-1)!.type).toBe('turn.completed');
      expect(second.news.some(({ event }) => event === 'displaced')).toBe(false);
    });

    it('is refused while nothing is live, with what is allowed', async () => {
      const session_id = newId();
      expect(await post(`${STREAMS}/invoke`, { session_id, force: true })).toMatchObject({ status: 404 });
      await stack.client.sessions.createSession({ session_id, SessionCreate: {} });
      expect(await post(`${STREAMS}/invoke`, { session_id, force: true })).toMatchObject({
        status: 409,
        body: { code: 'no_live_turn', turn_status: 'idle', allowed: ['send', 'queue', 'steer', 'kill'] },
      });
    });
  });

  describe('a detached invoke', () => {
    it('is answered 202 as soon as a runner has the turn, with the id that the turn keeps', async () => {
      const session_id = newId();
      const command = { session_id, prompt: ASKING, detached: true, start_within_ms: 30_000 };
      const { status, body } = await post(`${STREAMS}/invoke`, command);
      expect(status).toBe(202);
      expect(body).toMatchObject({ mode: 'send', session_id, status: expect.stringMatching(/^(starting|running)$/) });
      await answer(session_id);
      const turn_id = body['turn_id'] as string;
      await eventually(async () =>
        expect(await stack.client.streams.fetchSessionTurn({ turn_id })).toMatchObject({ status: 'completed' }),
      );
    });

    it('is answered 202 queued when nobody took it in time', async () => {
      const command = { session_id: newId(), prompt: 'hello', agent: { name: 'nobody' }, detached: true };
      expect(await post(`${STREAMS}/invoke`, { ...command, start_within_ms: 100 })).toMatchObject({
        status: 202,
        body: { status: 'queued', watcher_id: null },
      });
    });

    it('is answered 503 not_started when it was to be withdrawn then, with when to try again', async () => {
      const session_id = newId();
      const withdraw = { start_within_ms: 100, if_not_started: 'withdraw' };
      const command = { session_id, prompt: 'hello', agent: { name: 'nobody' }, detached: true, ...withdraw };
      const response = await postInvoke(stack, command);
      expect(response.status).toBe(503);
      expect(Number(response.headers.get('retry-after'))).toBeGreaterThan(0);
      const problem = (await response.json()) as { code: string; turn_id: string };
      expect(problem.code).toBe('not_started');
      expect(await stack.client.streams.fetchSessionTurn({ turn_id: problem.turn_id })).toMatchObject({
        status: 'cancelled',
        stop_reason: 'not_started',
      });
    });
  });

  describe('bad input', () => {
    const prompt = 'hello';
    it.each([
      ['force that is no boolean', { prompt, force: 'yes' }],
      ['an empty prompt', { prompt: '' }],
      ['a prompt of blanks', { prompt: ' \n ' }],
      ['a prompt that is null', { prompt: null }],
      ['an unknown field', { prompt, priority: 1 }],
      ['an unknown on_busy', { prompt, on_busy: 'wait' }],
      ['on_busy beside a steer', { prompt, force: true, on_busy: 'queue' }],
      ['on_busy beside a cancel', { on_busy: 'queue' }],
      ['delivery beside a send', { prompt, delivery: 'in_turn' }],
      ['an unknown delivery', { prompt, force: true, delivery: 'soon' }],
      ['an agent beside an attach', { force: true, agent: { name: 'scripted' } }],
      ['start_within_ms of one that stays', { prompt, start_within_ms: 100 }],
      ['start_within_ms that is too long', { prompt, detached: true, start_within_ms: 30_001 }],
      ['start_within_ms that is negative', { prompt, detached: true, start_within_ms: -1 }],
      ['start_within_ms of a cancel', { detached: true, start_within_ms: 100 }],
      ['if_not_started of one that stays', { prompt, if_not_started: 'withdraw' }],
      ['an unknown if_not_started', { prompt, detached: true, if_not_started: 'retry' }],
      ['detached that is no boolean', { prompt, detached: 1 }],
    ])('of an invoke is refused and makes nothing: %s', async (_, command) => {
      const session_id = newId();
      expect(await post(`${STREAMS}/invoke`, { session_id, ...command })).toMatchObject({
        status: 400,
        body: { code: 'request_invalid' },
      });
      expect((await post(`${STREAMS}/kill`, { session_id })).status).toBe(404);
    });

    it.each([
      ['a watcher that is no UUID', 'detach', { session_id: 's', watcher_id: 'me' }],
      ['no watcher', 'detach', { session_id: 's' }],
      ['a session that is a path', 'kill', { session_id: '../etc' }],
      ['no session', 'kill', {}],
      ['a page of nothing', 'inbox/query', { session_id: 's', limit: 0 }],
      ['a turn that is no UUID', 'inbox/reorder', { session_id: 's', turn_ids: ['one'] }],
      ['turns that are no list', 'inbox/reorder', { session_id: 's', turn_ids: 'all' }],
      ['a turn that is a number', 'inbox/withdraw', { session_id: 's', turn_id: 7 }],
      ['an unknown status', 'query', { status: ['asleep'] }],
      ['one session that is a path', 'query', { session_ids: ['s', '../etc'] }],
      ['201 sessions', 'query', { session_ids: Array.from({ length: 201 }, (_, n) => `s-${n}`) }],
      ['a cursor of ours that is not', 'query', { cursor: 'x' }],
    ])('of a neighbour is refused: %s (%s)', async (_, path, body) => {
      expect((await post(`${STREAMS}/${path}`, body)).status).toBe(400);
    });
  });

  it('a turn that somebody watched leaves no delivery; one that nobody did leaves one, which says how it ended', async () => {
    const { client } = stack;
    const session_id = newId();
    await collect(client.run({ session_id, prompt: '[[say:Watched.]]' }));
    const { turn_id } = await client.invoke({ session_id, prompt: '[[say:Not watched.]]' });
    const deliveries = async () =>
      (await client.triggers.queryTriggerDeliveries({ TriggerDeliveryQuery: { session_id } })).data;
    // Whatever the turn before it left to the workers was left before.
    await eventually(async () => expect(await deliveries()).toMatchObject([{ turn_id, status: 'completed' }]), {
      timeout: 30_000,
    });
  });

  it('A1, A10: nobody finds, reads, leaves or kills a session of another project', async () => {
    const session_id = newId();
    const { turn_id } = await stack.client.invoke({ session_id, prompt: 'hello', agent: { name: 'nobody' } });
    const waiting = await stack.client.invoke({ session_id, prompt: 'later', on_busy: 'queue' });
    const { api_key } = await stack.anotherProject();
    const stranger = stack.clientWith(api_key);
    const bodies: [string, object][] = [
      ['invoke', { session_id }],
      ['invoke', { session_id, force: true }],
      ['detach', { session_id, watcher_id: turn_id }],
      ['kill', { session_id }],
      ['inbox/query', { session_id }],
      ['inbox/reorder', { session_id, turn_ids: [waiting.turn_id] }],
      ['inbox/withdraw', { session_id, turn_id: waiting.turn_id }],
    ];
    for (const [path, body] of bodies) {
      expect([path, (await post(`${STREAMS}/${path}`, body, api_key)).status]).toEqual([path, 404]);
    }
    await expect(stranger.streams.fetchSessionLiveness({ session_id })).rejects.toMatchObject({ status: 404 });
    expect((await stranger.streams.querySessionStreams({ SessionStreamQuery: {} })).data).toEqual([]);
    expect((await stack.client.streams.fetchSessionTurn({ turn_id })).status).toBe('queued');
  });

  it('D10: streams are queried by what is true now, in pages', async () => {
    const { api_key } = await stack.anotherProject();
    const client = stack.clientWith(api_key);
    await client.agents.setAgent({ name: 'nobody', AgentSet: { harness: 'scripted', pool: 'nowhere' } });
    for (const session_id of ['a', 'b', 'c', 'd']) {
      await client.invoke({ session_id, prompt: 'hello', agent: { name: 'nobody' } });
    }
    await client.invoke({ session_id: 'b' });
    await client.invoke({ session_id: 'c', prompt: 'later', on_busy: 'queue' });
    const query = (of: object) => client.streams.querySessionStreams({ SessionStreamQuery: of });
    const idsOf = ({ data }: { data: { session_id: string }[] }) => data.map(({ session_id }) => session_id);

    expect(idsOf(await query({ status: ['queued'] }))).toEqual(['a', 'c', 'd']);
    expect(idsOf(await query({ status: ['idle'] }))).toEqual(['b']);
    expect(idsOf(await query({ session_ids: ['d', 'a', 'unknown'] }))).toEqual(['a', 'd']);
    expect(idsOf(await query({ session_ids: [] }))).toEqual([]);
    expect(idsOf(await query({ status: [] }))).toEqual([]);
    const first = await query({ limit: 3 });
    expect(idsOf(first)).toEqual(['a', 'b', 'c']);
    expect(first.data[2]).toMatchObject({ inbox_length: 1, alive: false, attached: false, status: 'queued' });
    const last = await query({ limit: 3, cursor: first.next_cursor! });
    expect([idsOf(last), last.next_cursor]).toEqual([['d'], null]);
  });

  describe('through the SDK', () => {
    it('a prompt is run to the end of its turn', async () => {
      const types = await collect(stack.client.run({ session_id: newId(), prompt: '[[say:Hello.]]' }));
      expect(facts(types)).toEqual(LIFE);
    });

    it('a watcher sees the live turn until another one comes', async () => {
      const session_id = newId();
      await stack.client.invoke({ session_id, prompt: ASKING });
      const first = collect(stack.client.attach(session_id));
      await eventually(async () =>
        expect(await stack.client.streams.fetchSessionLiveness({ session_id })).toMatchObject({ attached: true }),
      );
      const second = collect(stack.client.attach(session_id));
      expect((await first).at(-1)).toBe('session.watcher_changed');
      await answer(session_id);
      expect((await second).at(-1)).toBe('turn.completed');
    });

    it('what waits is listed, reordered, withdrawn, and ended by a kill', async () => {
      const { client } = stack;
      const session_id = newId();
      await client.invoke({ session_id, prompt: 'hello', agent: { name: 'nobody' } });
      const queue = async (prompt: string) => (await client.invoke({ session_id, prompt, on_busy: 'queue' })).turn_id;
      const [one, two, three] = [await queue('one'), await queue('two'), await queue('three')];
      await client.reorderInbox(session_id, [three!, one!, two!]);
      await expect(client.reorderInbox(session_id, [one!])).rejects.toMatchObject({
        status: 409,
        problem: { code: 'inbox_changed', turn_ids: [three, one, two] },
      });
      expect(await client.withdraw(session_id, one!)).toMatchObject({ status: 'cancelled', stop_reason: 'withdrawn' });
      const listed: string[] = [];
      for await (const { prompt } of client.inbox(session_id)) listed.push(prompt);
      expect(listed).toEqual(['three', 'two']);
      expect(await client.kill(session_id)).toMatchObject({ withdrawn_turn_ids: [three, two] });
      expect(await client.kill(session_id)).toMatchObject({ turn_id: null, withdrawn_turn_ids: [] });
      expect(await client.detach(session_id, randomUUID())).toBe(false);
    });
  });
});

describe('limits over HTTP', () => {
  let stack: Stack;
  beforeAll(async () => {
    stack = await startStack({ runner: false, env: { MAX_VIEWERS: '1', MAX_LIVE_TURNS_PER_PROJECT: '2' } });
  }, 60_000);
  afterAll(() => stack?.stop(), 30_000);

  it('B22: a project at its capacity starts nothing more, says when to come again, and is commanded as ever', async () => {
    const watched = await stay(stack, { session_id: 'a', prompt: 'hello' });
    await watched.next('data');

    // No room for another view: then nothing is made that the caller would not see.
    const crowded = await postInvoke(stack, { session_id: 'b', prompt: 'hello' });
    expect([crowded.status, await crowded.json()]).toMatchObject([503, { code: 'too_many_viewers' }]);
    await expect(stack.client.streams.fetchSessionStream({ session_id: 'b' })).rejects.toMatchObject({ status: 404 });

    await stack.client.invoke({ session_id: 'b', prompt: 'hello' });
    const refused = await postInvoke(stack, { session_id: 'c', prompt: 'hello', detached: true });
    expect(refused.status).toBe(429);
    expect(Number(refused.headers.get('retry-after'))).toBeGreaterThan(0);
    expect(await refused.json()).toMatchObject({ code: 'project_at_capacity', limit: 2 });

    await stack.client.invoke({ session_id: 'a', prompt: 'later', on_busy: 'queue' });
    await stack.client.invoke({ session_id: 'b', prompt: 'rather', force: true });
    await expect(stack.client.invoke({ session_id: 'a', force: true })).resolves.toMatchObject({ mode: 'attach' });
    expect(await watched.next('displaced')).toBeDefined();
    await stack.client.invoke({ session_id: 'b' });
    await stack.client.kill('a');
    await stack.client.invoke({ session_id: 'c', prompt: 'hello' });
  });
});
