import { randomUUID } from 'node:crypto';
import { HoldfastClient, type WatchedEvent, type WatchedSession } from '@holdfast/client';
import { eventually } from '@holdfast/testing';
import { isEnd, textOf, typesOf } from './follow.js';
import { startStack, type Stack } from './stack.js';

const CHUNKS = 100;
const WATCH = '/v1/sessions/streams/watch';

const newSession = () => `s-${randomUUID()}`;
const upTo = (last: number) => Array.from({ length: last }, (_, index) => index + 1);
const positionOf = ({ offset }: WatchedEvent) => Number(offset.slice(-16));

/** Asks for a watch by hand; the caller reads, or cancels, the answer. */
const post = (stack: Stack, body: unknown, key = stack.keys.api_key, signal?: AbortSignal) =>
  fetch(`${stack.url}${WATCH}`, {
    method: 'POST',
    headers: { authorization: `Bearer ${key}`, 'content-type': 'application/json' },
    body: typeof body === 'string' ? body : JSON.stringify(body),
    signal,
  });

/** What came up to the end of the first event. */
async function readEvent(reader: ReadableStreamDefaultReader<Uint8Array>): Promise<string> {
  let text = '';
  while (!text.endsWith('\n\n')) {
    const { done, value } = await reader.read();
    if (done) throw new Error(`the answer ended with "${text}"`);
    text += Buffer.from(value).toString();
  }
  return text;
}

/** Shows what a watch sees while it goes on. */
function startWatching(client: HoldfastClient, sessions: WatchedSession[]) {
  const leaving = new AbortController();
  const seen: WatchedEvent[] = [];
  const watching = (async () => {
    for await (const watched of client.watchSessions(sessions, { signal: leaving.signal })) seen.push(watched);
  })();
  return {
    seen,
    of: (session_id: string) => seen.filter((watched) => watched.session_id === session_id),
    async stop(): Promise<void> {
      leaving.abort();
      await watching;
    },
  };
}

describe('a watch', () => {
  let stack: Stack;
  beforeAll(async () => {
    stack = await startStack({ runner: false, env: { MAX_VIEWERS: '2' } });
  }, 60_000);
  afterAll(() => stack?.stop(), 30_000);

  const create = async () => {
    const session_id = newSession();
    await stack.client.sessions.createSession({ session_id, SessionCreate: {} });
    return session_id;
  };

  it('shows what happens in 200 sessions on one connection, each in order', async () => {
    const sessions = Array.from({ length: 200 }, newSession);
    const ofEach = async (act: (session_id: string) => Promise<unknown>) => {
      for (let n = 0; n < sessions.length; n += 20) await Promise.all(sessions.slice(n, n + 20).map(act));
    };
    await ofEach((session_id) => stack.client.sessions.createSession({ session_id, SessionCreate: {} }));
    let connections = 0;
    const client = new HoldfastClient({
      url: stack.url,
      apiKey: stack.keys.api_key,
      fetch: (input, init) => {
        connections += 1;
        return fetch(input, init);
      },
    });
    const watch = startWatching(
      client,
      sessions.map((session_id) => ({ session_id })),
    );
    await eventually(() => expect(watch.seen).toHaveLength(200));
    await ofEach((session_id) => stack.client.invoke({ session_id, prompt: `of ${session_id}` }));
    await ofEach((session_id) => stack.client.invoke({ session_id }));
    await eventually(() => expect(watch.seen).toHaveLength(600));
    await watch.stop();
    for (const session_id of sessions) {
      const events = watch.of(session_id);
      expect(typesOf(events)).toEqual(['session.created', 'turn.queued', 'turn.cancelled']);
      expect(events.map(positionOf)).toEqual([1, 2, 3]);
      expect(events[1]!.event.data['prompt']).toBe(`of ${session_id}`);
    }
    expect(connections).toBe(1);
  }, 60_000);

  it('takes the place of one viewer, however many sessions it has', async () => {
    const sessions = [await create(), await create(), await create()].map((session_id) => ({
      session_id,
      offset: '-1',
    }));
    const leaving = new AbortController();
    const free = () =>
      eventually(async () => expect((await post(stack, { sessions }, undefined, leaving.signal)).status).toBe(200));
    await free();
    await free();
    const refused = await post(stack, { sessions });
    expect(refused.status).toBe(503);
    expect(await refused.json()).toMatchObject({ code: 'too_many_viewers', limit: 2 });
    leaving.abort();
  });

  it("takes another project's session for one that does not exist, and shows nothing of it", async () => {
    const session_id = newSession();
    await stack.client.invoke({ session_id, prompt: 'a secret' });
    const { api_key: stranger } = await stack.anotherProject();
    const nobody = newSession();
    const sessions = [session_id, nobody].map((name) => ({ session_id: name, offset: '-1' }));
    const text = await eventually(async () => {
      const response = await post(stack, { sessions }, stranger);
      expect(response.status).toBe(200);
      return response.text();
    });
    const problems = [...text.matchAll(/^event: problem\ndata: (.*)$/gm)].map(
      ([, data]) => JSON.parse(data!) as { session_id: string; problem: Record<string, unknown> },
    );
    expect(text).not.toContain('secret');
    expect(text).not.toContain('event: data');
    expect(problems).toHaveLength(2);
    for (const { session_id: name, problem } of problems) {
      expect(problem).toEqual({
        type: 'urn:holdfast:problem:session_not_found',
        title: 'Session not found',
        status: 404,
        detail: `There is no session "${name}" in this project.`,
        instance: expect.any(String),
        code: 'session_not_found',
      });
    }
  });

  it('is Server-Sent Events, each with the session, its messages and the offset after them', async () => {
    const session_id = await create();
    const leaving = new AbortController();
    const response = await eventually(async () => {
      const answer = await post(stack, { sessions: [{ session_id, offset: '-1' }] }, undefined, leaving.signal);
      expect(answer.status).toBe(200);
      return answer;
    });
    expect(response.headers.get('content-type')).toBe('text/event-stream');
    expect(response.headers.get('cache-control')).toBe('no-cache');
    expect(response.headers.get('x-content-type-options')).toBe('nosniff');
    expect(response.headers.get('x-request-id')).toBeTruthy();
    const text = await readEvent(response.body!.getReader());
    leaving.abort();
    const [, data] = /^event: data\ndata: (.*)\n\n$/.exec(text)!;
    expect(JSON.parse(data!)).toEqual({
      session_id,
      next_offset: expect.stringMatching(/^\d{16}_0{15}1$/),
      up_to_date: true,
      events: [expect.objectContaining({ type: 'session.created' })],
    });
  });

  it('carries the activity of tasks beside sessions, each named as it was asked for', async () => {
    const session_id = await create();
    const { task_id } = await stack.client.tasks.createSessionTask({ SessionTaskCreate: { session_id } });
    const nobody = randomUUID();
    const leaving = new AbortController();
    const places = {
      sessions: [{ session_id, offset: '-1' }],
      activities: [task_id.toUpperCase(), nobody].map((one) => ({ task_id: one, offset: '-1' })),
    };
    const seen: { name: string; types: string[] }[] = [];
    const problems: unknown[] = [];
    const watching = (async () => {
      for await (const news of stack.client.openWatch(places, { signal: leaving.signal })) {
        if (news.problem) problems.push([news.task_id, news.problem.code, news.problem.status]);
        else seen.push({ name: news.session_id ?? news.task_id, types: news.events.map(({ type }) => type) });
      }
    })().catch(() => undefined);
    const typesOfLog = (name: string) => seen.flatMap((one) => (one.name === name ? one.types : []));
    await eventually(() => expect(typesOfLog(task_id)).toEqual(['task.created']));
    await stack.client.tasks.createSessionTask({ SessionTaskCreate: { parent_task_id: task_id } });
    await eventually(() => expect(typesOfLog(task_id).filter((type) => type === 'task.created')).toHaveLength(2));
    expect(typesOfLog(session_id)).toContain('session.created');
    expect(problems).toEqual([[nobody, 'task_not_found', 404]]);
    leaving.abort();
    await watching;
  });

  it('of the activity of a task alone, and nothing of that of another project', async () => {
    const { task_id } = await stack.client.tasks.createSessionTask({ SessionTaskCreate: { name: 'a secret' } });
    const { api_key: stranger } = await stack.anotherProject();
    const text = await eventually(async () => {
      const response = await post(stack, { activities: [{ task_id, offset: '-1' }] }, stranger);
      expect(response.status).toBe(200);
      return response.text();
    });
    expect(text).toMatch(/^event: problem$/m);
    expect(text).toContain('"code":"task_not_found"');
    expect(text).not.toContain('secret');
  });

  const place = (session_id: unknown, offset: unknown = '-1') => ({ session_id, offset });
  const task = (task_id: unknown, offset: unknown = '-1') => ({ task_id, offset });
  const TASK = randomUUID();
  it.each([
    ['nothing', {}, '/sessions'],
    ['no sessions', { sessions: [] }, '/sessions'],
    ['501 sessions', { sessions: Array.from({ length: 501 }, (_, n) => place(`s${n}`)) }, '/sessions'],
    ['sessions that are no array', { sessions: place('s') }, '/sessions'],
    ['a session twice', { sessions: [place('s'), place('t'), place('s', 'now')] }, '/sessions'],
    ['a session that is null', { sessions: [place('s'), null] }, '/sessions/1'],
    ['a session id that is a path', { sessions: [place('../t')] }, '/sessions/0/session_id'],
    ['a session id that is a number', { sessions: [place(7)] }, '/sessions/0/session_id'],
    ['no offset', { sessions: [{ session_id: 's' }] }, '/sessions/0/offset'],
    ['an offset that is none', { sessions: [place('s'), place('t', '5')] }, '/sessions/1/offset'],
    ['an offset that is a number', { sessions: [place('s', 5)] }, '/sessions/0/offset'],
    ['an offset with a line break', { sessions: [place('s', 'now\n')] }, '/sessions/0/offset'],
    [
      '500 sessions and a task',
      { sessions: Array.from({ length: 500 }, (_, n) => place(`s${n}`)), activities: [task(TASK)] },
      '/sessions',
    ],
    ['501 tasks', { activities: Array.from({ length: 501 }, () => task(randomUUID())) }, '/activities'],
    ['a task twice', { activities: [task(TASK), task(TASK)] }, '/activities'],
    ['a task id that is none', { activities: [task('s')] }, '/activities/0/task_id'],
    ['a task without an offset', { activities: [{ task_id: TASK }] }, '/activities/0/offset'],
    ['tasks that are no array', { sessions: [place('s')], activities: task(TASK) }, '/activities'],
    ['an unknown field', { sessions: [place('s')], live: true }, '/live'],
  ])('of %s is 400 and says where', async (_, body, pointer) => {
    const response = await post(stack, body);
    expect(response.status).toBe(400);
    const problem = (await response.json()) as { code: string; errors: { pointer: string }[] };
    expect(problem.code).toBe('request_invalid');
    expect(problem.errors.map((error) => error.pointer)).toContain(pointer);
  });

  it.each([
    ['a body that is no JSON', 400, 'json_malformed', () => post(stack, '{')],
    ['no key', 401, 'unauthenticated', () => post(stack, { sessions: [place('s')] }, 'none')],
    ["a runner's key", 403, 'credential_kind', () => post(stack, { sessions: [place('s')] }, stack.keys.runner_key)],
  ])('with %s is %d %s', async (_, status, code, send) => {
    const response = await send();
    expect(response.status).toBe(status);
    expect(await response.json()).toMatchObject({ code });
  });

  it('ends in order when the process goes, so that the client comes again', async () => {
    const session_id = await create();
    const response = await eventually(async () => {
      const answer = await post(stack, { sessions: [{ session_id, offset: '-1' }] });
      expect(answer.status).toBe(200);
      return answer;
    });
    const reader = response.body!.getReader();
    expect(await readEvent(reader)).toMatch(/^event: data\n/);
    await stack.api.stop();
    expect(await reader.read()).toEqual({ done: true, value: undefined });
    await stack.api.start();
  }, 40_000);
});

const backends = process.env['HOLDFAST_TEST_REDIS_URL'] ? ['PostgreSQL alone', 'Redis'] : ['PostgreSQL alone'];

describe.each(backends)('a watch of turns that stream, on %s', (backend) => {
  let stack: Stack;
  beforeAll(async () => {
    // No turn is lost here, however long the api is away.
    const env = { LEASE_SECONDS: '60', WATCHDOG_SECONDS: '45' };
    stack = await startStack({ redis: backend === 'Redis', env });
  }, 60_000);
  afterAll(() => stack?.stop(), 30_000);

  const chunksOf = (seen: WatchedEvent[]) =>
    (textOf(seen).match(/chunk \d+/g) ?? []).map((chunk) => Number(chunk.slice('chunk '.length)));

  it.each(['kill', 'stop'] as const)(
    'loses and doubles nothing when the api dies by %s',
    async (death) => {
      const sessions = [newSession(), newSession(), newSession()];
      for (const session_id of sessions) await stack.client.sessions.createSession({ session_id, SessionCreate: {} });
      const watch = startWatching(
        stack.client,
        sessions.map((session_id) => ({ session_id, offset: '-1' })),
      );
      for (const session_id of sessions) await stack.client.invoke({ session_id, prompt: `[[stream:${CHUNKS}:20]]` });
      await eventually(() => {
        for (const session_id of sessions) expect(chunksOf(watch.of(session_id)).length).toBeGreaterThan(10);
      });
      await stack.api[death]();
      await stack.api.start();
      await eventually(() => expect(watch.seen.filter(isEnd)).toHaveLength(sessions.length), { timeout: 30_000 });
      await watch.stop();
      for (const session_id of sessions) {
        const events = watch.of(session_id);
        expect(typesOf(events).at(-1)).toBe('turn.completed');
        expect(chunksOf(events)).toEqual(upTo(CHUNKS));
        expect(events.map(positionOf)).toEqual(upTo(events.length));
      }
    },
    60_000,
  );
});
