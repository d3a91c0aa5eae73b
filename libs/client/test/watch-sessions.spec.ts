import { randomUUID } from 'node:crypto';
import { type ApiProcess, eventually, startApi } from '@holdfast/testing';
import {
  HoldfastClient,
  type HoldfastError,
  type WatchedEvent,
  type WatchedSession,
  type WatchOptions,
} from '../src/index.js';
import { playRunner, text } from './played-runner.js';

describe('watching sessions of a real api', () => {
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

  /** Watches until `count` turns have ended; `seen` shows the events as they come. */
  const collect = async (
    sessions: WatchedSession[],
    count: number,
    options: WatchOptions = {},
    seen: WatchedEvent[] = [],
  ) => {
    for await (const watched of client.watchSessions(sessions, { ...options, signal: AbortSignal.timeout(25_000) })) {
      seen.push(watched);
      if (seen.filter(({ event }) => event.type === 'turn.completed').length === count) return seen;
    }
    throw new Error(`the turns did not end; ${seen.length} events seen`);
  };
  const of = (seen: WatchedEvent[], session_id: string) => seen.filter((watched) => watched.session_id === session_id);
  const wordsOf = (seen: WatchedEvent[]) =>
    seen.flatMap(({ event }) =>
      event.type === 'agent.update' ? [(event.data['content'] as { text: string }).text] : [],
    );
  const positionsOf = (seen: WatchedEvent[]) => seen.map(({ offset }) => Number(offset.slice(-16)));
  const upTo = (count: number) => Array.from({ length: count }, (_, index) => index);

  it('neither loses nor repeats an event of any when the api is killed and started again, twice', async () => {
    const turns = [await startTurn(), await startTurn(), await startTurn()];
    const sessions = turns.map(({ session_id }) => ({ session_id }));
    const states: string[] = [];
    const seen: WatchedEvent[] = [];
    const watching = collect(sessions, 3, { onConnection: ({ status }) => states.push(status) }, seen);
    for (const batch of upTo(30)) {
      if (batch === 10 || batch === 20) {
        for (const { session_id } of sessions) {
          await eventually(() => expect(wordsOf(of(seen, session_id))).toContain(`${batch - 1}b`));
        }
        await api.kill();
        await api.start();
      }
      for (const { turn } of turns) await turn.append(text(`${batch}a`), text(`${batch}b`));
    }
    for (const { turn } of turns) await turn.complete();
    await watching;

    for (const { session_id } of sessions) {
      const events = of(seen, session_id);
      expect(wordsOf(events)).toEqual(upTo(30).flatMap((batch) => [`${batch}a`, `${batch}b`]));
      expect(positionsOf(events)).toEqual(upTo(events.length).map((index) => index + 1));
    }
    expect(states).toEqual(['connected', 'reconnecting', 'connected', 'reconnecting', 'connected']);
  }, 40_000);

  it('goes on behind the offset that it is given for each', async () => {
    const [one, two] = [await startTurn(), await startTurn()];
    for (const { turn } of [one, two]) {
      await turn.append(text('a'), text('b'), text('c'));
      await turn.complete();
    }
    const all = await collect([one, two], 2);
    const places = [one, two].map(({ session_id }, index) => {
      const events = of(all, session_id);
      return { session_id, offset: events[events.length - 3 - index]!.offset };
    });
    const rest = await collect(places, 2);
    expect(of(rest, one.session_id)).toEqual(of(all, one.session_id).slice(-2));
    expect(of(rest, two.session_id)).toEqual(of(all, two.session_id).slice(-3));
  });

  it('shows only what comes when asked to start now', async () => {
    const { session_id, turn } = await startTurn();
    await turn.append(text('before'));
    let connected!: () => void;
    const isConnected = new Promise<void>((resolve) => (connected = resolve));
    const watching = collect([{ session_id, offset: 'now' }], 1, { onConnection: connected });
    await isConnected;
    await turn.append(text('after'));
    await turn.complete();
    expect(wordsOf(await watching)).toEqual(['after']);
  });

  it('tells of sessions that cannot be watched, and goes on with the others', async () => {
    const { session_id, turn } = await startTurn();
    const beyond = await startTurn();
    const problems = new Map<string, HoldfastError>();
    const onProblem: WatchOptions['onProblem'] = ({ session_id, error }) => void problems.set(session_id, error);
    const watching = collect(
      [{ session_id: 'nobody' }, { session_id }, { ...beyond, offset: `${'9'.repeat(16)}_${'0'.repeat(16)}` }].map(
        ({ session_id, offset }: WatchedSession) => ({ session_id, offset }),
      ),
      1,
      { onProblem },
    );
    await turn.append(text('still here'));
    await turn.complete();
    expect(wordsOf(await watching)).toEqual(['still here']);
    expect(problems.get('nobody')).toMatchObject({ status: 404, code: 'session_not_found' });
    expect(problems.get(beyond.session_id)).toMatchObject({ status: 400, code: 'offset_beyond_tail' });
    await beyond.turn.complete();
  });

  it('throws when the whole request is refused', async () => {
    const stranger = new HoldfastClient({ url: api.url, apiKey: 'hf_user_0000000000000000_00' });
    await expect(stranger.watchSessions([{ session_id: 's' }]).next()).rejects.toMatchObject({
      code: 'unauthenticated',
    });
    await expect(client.watchSessions([]).next()).rejects.toMatchObject({ code: 'request_invalid' });
  });
});
