import { randomUUID } from 'node:crypto';
import { type ApiProcess, eventually, startApi } from '@holdfast/testing';
import { HoldfastClient, type FollowOptions, type LoggedEvent } from '../src/index.js';
import { playRunner, text } from './played-runner.js';

describe('following a session of a real api', () => {
  let api: ApiProcess;
  let client: HoldfastClient;
  let runner: Awaited<ReturnType<typeof playRunner>>;
  beforeAll(async () => {
    api = await startApi();
    client = new HoldfastClient({ url: api.url, apiKey: api.api_key });
    runner = await playRunner(api);
  }, 60_000);
  afterAll(() => api?.stop(), 30_000);

  const startTurn = async () => {
    const session_id = `s-${randomUUID()}`;
    await client.invoke({ session_id, prompt: 'Go on.' });
    const turn = await runner.claim();
    await turn.run();
    return { session_id, turn };
  };
  /** The events until the turn's end; `seen` shows them as they come. */
  const collect = async (session_id: string, options: FollowOptions = {}, seen: LoggedEvent[] = []) => {
    for await (const logged of client.followSession(session_id, { ...options, signal: AbortSignal.timeout(25_000) })) {
      seen.push(logged);
      if (logged.event.type === 'turn.completed') return seen;
    }
    throw new Error(`the turn did not end; ${seen.length} events seen`);
  };
  const wordsOf = (seen: LoggedEvent[]) =>
    seen.flatMap(({ event }) =>
      event.type === 'agent.update' ? [(event.data['content'] as { text: string }).text] : [],
    );

  it('neither loses nor repeats an event when the api is killed and started again, twice', async () => {
    const { session_id, turn } = await startTurn();
    const states: string[] = [];
    const seen: LoggedEvent[] = [];
    const following = collect(session_id, { onConnection: ({ status }) => states.push(status) }, seen);
    for (let batch = 0; batch < 60; batch++) {
      if (batch === 20 || batch === 40) {
        await eventually(() => expect(wordsOf(seen)).toContain(`${batch - 1}b`));
        await api.kill();
        await api.start();
      }
      await turn.append(text(`${batch}a`), text(`${batch}b`));
    }
    await turn.complete();
    await following;

    expect(wordsOf(seen)).toEqual(Array.from({ length: 60 }, (_, batch) => [`${batch}a`, `${batch}b`]).flat());
    expect(seen.map(({ offset }) => Number(offset.slice(-16)))).toEqual(seen.map((_, index) => index + 1));
    expect(states).toEqual(['connected', 'reconnecting', 'connected', 'reconnecting', 'connected']);
  }, 40_000);

  it('goes on behind any offset that it gave out, also in the middle of a batch', async () => {
    const { session_id, turn } = await startTurn();
    await turn.append(...Array.from({ length: 10 }, (_, index) => text(String(index))));
    await turn.complete();
    const all = await collect(session_id);
    for (const [index, { offset }] of all.slice(0, -1).entries()) {
      expect(await collect(session_id, { offset })).toEqual(all.slice(index + 1));
    }
  });

  it('shows only what comes when asked to start now', async () => {
    const { session_id, turn } = await startTurn();
    await turn.append(text('before'));
    let connected!: () => void;
    const isConnected = new Promise<void>((resolve) => (connected = resolve));
    const following = collect(session_id, { offset: 'now', onConnection: connected });
    await isConnected;
    await turn.append(text('after'));
    await turn.complete();
    expect(wordsOf(await following)).toEqual(['after']);
  });
});
