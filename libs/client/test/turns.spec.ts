import { randomUUID } from 'node:crypto';
import { eventually, startApi, type ApiProcess } from '@holdfast/testing';
import { HoldfastClient, type LoggedEvent } from '../src/index.js';
import { playRunner, text } from './played-runner.js';

describe('a turn', () => {
  let api: ApiProcess;
  let client: HoldfastClient;
  beforeAll(async () => {
    api = await startApi();
    client = new HoldfastClient({ url: api.url, apiKey: api.api_key });
  }, 60_000);
  afterAll(() => api?.stop(), 30_000);

  const newId = () => `s-${randomUUID()}`;
  /** Reads on its own; tells what it has read and when it is over. */
  const read = (events: AsyncGenerator<LoggedEvent, void, undefined>) => {
    const seen: LoggedEvent[] = [];
    const over = (async () => {
      for await (const logged of events) seen.push(logged);
    })();
    return { seen, over, types: () => seen.map(({ event }) => event.type) };
  };

  it('is run to its end, each event once and in order, though the api dies in the middle', async () => {
    const session_id = newId();
    const runner = await playRunner(api);
    const running = read(client.run({ session_id, prompt: 'Go on.' }));
    const turn = await runner.claim();
    await turn.run();
    await turn.append(text('one'));
    await eventually(async () => expect(running.types()).toContain('agent.update'));
    await api.kill();
    await api.start();
    await turn.append(text('two'));
    await turn.complete();
    await running.over;
    expect(running.types()).toEqual([
      'turn.queued',
      'session.watcher_changed',
      'turn.starting',
      'turn.running',
      'agent.update',
      'agent.update',
      'turn.completed',
    ]);
    expect(new Set(running.seen.map(({ offset }) => offset)).size).toBe(running.seen.length);
  });

  it('shows nothing of the turns before and after it', async () => {
    const session_id = newId();
    await client.invoke({ session_id, prompt: 'one' });
    const second = read(client.run({ session_id, prompt: 'two', on_busy: 'queue' }));
    await eventually(async () => expect(second.types()).toEqual(['turn.inbox']));
    await client.invoke({ session_id, prompt: 'three', on_busy: 'queue' });
    await client.invoke({ session_id });
    await eventually(async () =>
      expect(second.types()).toEqual(['turn.inbox', 'turn.queued', 'session.watcher_changed']),
    );
    await client.invoke({ session_id });
    await second.over;
    expect(second.types()).toEqual(['turn.inbox', 'turn.queued', 'session.watcher_changed', 'turn.cancelled']);
  });

  it('is watched by whoever runs it, so that it is none of those that run with nobody there', async () => {
    const session_id = newId();
    const asked: unknown[] = [];
    const listening = new HoldfastClient({
      url: api.url,
      apiKey: api.api_key,
      fetch: (input, init) => {
        if (String(input).endsWith('/invoke')) asked.push(JSON.parse(init?.body as string));
        return fetch(input, init);
      },
    });
    const running = read(listening.run({ session_id, prompt: 'Go on.' }));
    await eventually(async () =>
      expect(await client.streams.fetchSessionLiveness({ session_id })).toMatchObject({ attached: true }),
    );
    expect(asked).toEqual([{ session_id, prompt: 'Go on.' }]);
    await client.kill(session_id);
    await running.over;
  });

  it('ends for whoever runs it when they abort, and runs on', async () => {
    const session_id = newId();
    const gone = new AbortController();
    const running = read(client.run({ session_id, prompt: 'Go on.' }, { signal: gone.signal }));
    await eventually(async () => expect(running.types()).toContain('session.watcher_changed'));
    gone.abort();
    await running.over;
    await eventually(async () =>
      expect(await client.streams.fetchSessionLiveness({ session_id })).toMatchObject({
        status: 'queued',
        attached: false,
      }),
    );
  });

  it('that is to be withdrawn unless it starts is given time to start', async () => {
    const session_id = newId();
    const runner = await playRunner(api);
    const asked = client.invoke({ session_id, prompt: 'Go on.', if_not_started: 'withdraw' });
    while ((await runner.claim()).grant.session_id !== session_id);
    expect((await asked).status).toBe('starting');
  });

  it('runs on when whoever reads it stops', async () => {
    const session_id = newId();
    for await (const { event } of client.run({ session_id, prompt: 'Go on.' })) {
      expect(event.type).toBe('turn.queued');
      break;
    }
    await eventually(async () =>
      expect(await client.streams.fetchSessionLiveness({ session_id })).toMatchObject({
        status: 'queued',
        attached: false,
      }),
    );
  });

  it('is watched by one at a time: who attaches displaces the one before, and who stops is detached', async () => {
    const session_id = newId();
    await client.invoke({ session_id, prompt: 'Go on.' });
    const first = read(client.attach(session_id));
    await eventually(async () => expect(first.types()).toContain('session.watcher_changed'));
    for await (const { event } of client.attach(session_id)) {
      expect(event.type).toBe('turn.queued');
      await first.over;
      break;
    }
    expect(first.types().filter((type) => type === 'session.watcher_changed')).toHaveLength(2);
    expect(await client.streams.fetchSessionLiveness({ session_id })).toMatchObject({ attached: false });
  });

  it('that did not start is told at once: asking again would change nothing', async () => {
    let asked = 0;
    const counting = new HoldfastClient({
      url: api.url,
      apiKey: api.api_key,
      fetch: (input, init) => {
        asked += 1;
        return fetch(input, init);
      },
    });
    const command = {
      session_id: newId(),
      prompt: 'hello',
      start_within_ms: 0,
      if_not_started: 'withdraw',
    } as const;
    await expect(counting.invoke(command)).rejects.toMatchObject({ status: 503, code: 'not_started' });
    expect(asked).toBe(1);
  });
});
