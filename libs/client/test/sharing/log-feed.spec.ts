import { HoldfastConnectionError, HoldfastError } from '../../src/errors.js';
import { LogFeed, MAX_LOGS, type FeedNews, type FeedSource } from '../../src/sharing/log-feed.js';
import type { WatchNews, WatchPlaces } from '../../src/watch-connection.js';
import { ManualClock, settled } from './manual-clock.js';

const offset = (position: number) => `${'0'.repeat(16)}_${String(position).padStart(16, '0')}`;
const message = (name: string) => ({ type: name, at: '', turn_id: null, data: {} });
const data = (session_id: string, position: number, ...names: string[]): WatchNews => ({
  session_id,
  next_offset: offset(position),
  up_to_date: true,
  events: names.map(message),
});
const refusal = (status: number, code: string) =>
  new HoldfastError({ type: '', title: code, status, detail: code, instance: '', code });

/** What a connection sends; then it breaks, ends, or stays open. */
type Line = (WatchNews | 'break' | 'stay' | Error | (() => void))[];

function play(lines: Line[], plain: Record<string, string[]> = {}) {
  const clock = new ManualClock();
  const asked: Record<string, string>[] = [];
  const source: FeedSource = {
    async *watch(places: WatchPlaces, signal: AbortSignal) {
      const names = [
        ...places.sessions!.map(({ session_id, offset: from }) => [session_id, from]),
        ...places.activities!.map(({ task_id, offset: from }) => [`task ${task_id}`, from]),
      ];
      asked.push(Object.fromEntries(names) as Record<string, string>);
      for (const step of lines[Math.min(asked.length, lines.length) - 1]!) {
        await new Promise(setImmediate);
        if (step instanceof Error) throw step;
        if (step === 'break') throw new HoldfastConnectionError('broken');
        if (typeof step === 'function') step();
        else if (step !== 'stay') yield step;
        else
          await new Promise((_, reject) => {
            signal.addEventListener('abort', () => reject(signal.reason as Error), { once: true });
            if (signal.aborted) reject(signal.reason as Error);
          });
      }
    },
    async *readSession(session_id, { offset: from }) {
      const first = Math.max(0, Number(from.slice(-16)));
      const names = plain[session_id] ?? [];
      for (let n = first; n < names.length; n++) yield { event: message(names[n]!), offset: offset(n + 1) };
    },
  };
  const feed = new LogFeed(source, clock);
  const leaving = new AbortController();
  const news: FeedNews[] = [];
  const start = () =>
    (async () => {
      for await (const one of feed.follow(leaving.signal)) news.push(one);
    })();
  const told = () =>
    news.map((one) => {
      if (one.kind === 'events') return `${one.log.session_id ?? 'task'}: ${one.events.map(({ event }) => event.type)}`;
      if (one.kind === 'lost') return `lost ${one.failures}`;
      return one.kind === 'problem' ? `${one.log.session_id ?? one.log.task_id} ${one.error.code}` : one.kind;
    });
  return { clock, asked, feed, leaving, start, told };
}

describe('the one connection of a viewer', () => {
  it('carries sessions and activity, and is asked for once', async () => {
    const { feed, asked, start, told, leaving, clock } = play([
      [
        data('x', 2, 'a', 'b'),
        { task_id: 'T', next_offset: offset(1), up_to_date: true, events: [message('t')] },
        'stay',
      ],
    ]);
    feed.add({ session_id: 'x' }, '-1');
    feed.add({ task_id: 'T' }, offset(7));
    const following = start();
    await settled();
    await clock.advance(10_000);
    expect(asked).toEqual([{ x: '-1', 'task T': offset(7) }]);
    expect(told()).toEqual(['connected', 'x: a,b', 'task: t']);
    leaving.abort();
    await following;
    expect(feed.connections).toBe(1);
  });

  it('Q53 goes on where each log was, after 1 s × 1.2^n, and says so', async () => {
    const { feed, asked, start, told, leaving, clock } = play([
      [data('x', 2, 'a', 'b'), 'break'],
      ['break'],
      ['break'],
      [data('x', 3, 'c'), 'stay'],
    ]);
    feed.add({ session_id: 'x' }, '-1');
    const following = start();
    await settled();
    expect(clock.pending()).toEqual([1_000]);
    await clock.advance(1_000);
    expect(clock.pending()).toEqual([1_200]);
    await clock.advance(1_200);
    expect(clock.pending()).toEqual([1_440]);
    await clock.advance(1_440);
    expect(asked.map(({ x }) => x)).toEqual(['-1', offset(2), offset(2), offset(2)]);
    expect(told()).toEqual(['connected', 'x: a,b', 'lost 1', 'lost 2', 'lost 3', 'x: ', 'connected', 'x: c']);
    leaving.abort();
    await following;
  });

  it('comes again at once when the api ends a connection in order, which is no loss', async () => {
    const lines: Line[] = [[data('x', 1, 'a')], [data('x', 2, 'b'), 'stay']];
    const { feed, start, told, leaving, clock } = play(lines);
    lines[0]!.push(() => void clock.advance(60_000));
    feed.add({ session_id: 'x' }, '-1');
    const following = start();
    await settled();
    await settled();
    expect(told()).toEqual(['connected', 'x: a', 'x: b']);
    leaving.abort();
    await following;
  });

  it('is opened anew for logs that are added, once for those that come together', async () => {
    const { feed, asked, start, leaving, clock } = play([[data('x', 4, 'a'), 'stay'], ['stay']]);
    feed.add({ session_id: 'x' }, offset(3));
    const following = start();
    await settled();
    for (const session_id of ['y', 'z', 'x']) feed.add({ session_id }, '-1');
    expect(feed.connections).toBe(1);
    await clock.advance(100);
    expect(asked).toEqual([{ x: offset(3) }, { x: offset(4), y: '-1', z: '-1' }]);
    expect(feed.remove({ session_id: 'y' })).toBe('-1');
    await clock.advance(100);
    expect(asked[2]).toEqual({ x: offset(4), z: '-1' });
    feed.add({ session_id: 'y' }, '-1');
    feed.remove({ session_id: 'y' });
    await clock.advance(100);
    expect(feed.connections).toBe(3);
    leaving.abort();
    await following;
  });

  it(`holds ${MAX_LOGS} logs at most`, () => {
    const { feed } = play([[]]);
    for (let n = 0; n < MAX_LOGS; n++) expect(feed.add({ session_id: `s${n}` }, '-1')).toBe(true);
    expect(feed.add({ session_id: 'one more' }, '-1')).toBe(false);
    expect(feed.add({ session_id: 's0' }, '-1')).toBe(true);
  });

  it('Q56 tells of a log that cannot be followed, and goes on with the others', async () => {
    const problem = { session_id: 'x', problem: refusal(404, 'session_not_found').problem } as WatchNews;
    const { feed, asked, start, told, leaving, clock } = play([
      [problem, data('y', 1, 'a'), 'break'],
      [data('y', 2, 'b'), 'stay'],
    ]);
    feed.add({ session_id: 'x' }, '-1');
    feed.add({ session_id: 'y' }, '-1');
    const following = start();
    await settled();
    await clock.advance(1_000);
    expect(told()).toEqual(['connected', 'x session_not_found', 'y: a', 'lost 1', 'connected', 'y: b']);
    expect(asked[1]).toEqual({ y: offset(1) });
    leaving.abort();
    await following;
  });

  it('reads plainly what is there, where no stream can be held', async () => {
    const { feed, start, told, leaving, clock } = play([['break']], { x: ['a', 'b'] });
    feed.add({ session_id: 'x' }, '-1');
    const following = start();
    await settled();
    for (const ms of [1_000, 1_200, 1_440, 1_728]) await clock.advance(ms);
    expect(told()).toEqual(['lost 1', 'lost 2', 'lost 3', 'x: a', 'x: b', 'x: ', 'lost 4', 'x: ', 'lost 5']);
    leaving.abort();
    await following;
  });

  it('throws what waiting would not help against', async () => {
    const { feed, start } = play([[refusal(403, 'share_ended')]]);
    feed.add({ session_id: 'x' }, '-1');
    await expect(start()).rejects.toMatchObject({ code: 'share_ended' });
  });
});
