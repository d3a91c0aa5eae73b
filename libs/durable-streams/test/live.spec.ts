import { eventually, testRedis, type TestRedis } from '@holdfast/testing';
import { pageBytes, type LogKey, type PollAnswer } from '../src/index.js';
import { betweenAllSteps, NO_REDIS, startLogs, unlimited, upTo, type Logs } from './logs-fixture.js';
import type { TestView } from './test-view.js';

const code = (name: string) => expect.objectContaining({ code: name });
const valuesOf = ({ page }: PollAnswer) =>
  JSON.parse(`[${page.parts.length ? pageBytes(page).toString() : ''}]`) as number[];
const legs = process.env['HOLDFAST_TEST_REDIS_URL'] ? ['PostgreSQL', 'Redis'] : ['PostgreSQL'];

const views: TestView[] = [];
const leaveAll = () => views.splice(0).forEach((view) => view.leave());
const follow = (process: Logs, key: LogKey, offset?: string): TestView => {
  const view = process.follow(key, offset);
  views.push(view);
  return view;
};
const seen = (view: TestView, values: unknown[]) => eventually(() => expect(view.seen).toEqual(values));
const live = (view: TestView) => eventually(() => expect(view.isUpToDate).toBe(true));

/** Writes [1, 2] and [3, 4], and removes the first of them at once, as retention and its garbage do. */
const appendAndTrim = (process: Logs, key: LogKey) =>
  process.unitOfWork.run(async (tx) => {
    await process.log.write(tx, [{ ...key, messages: [Buffer.from('1'), Buffer.from('2')] }]);
    await process.log.write(tx, [{ ...key, messages: [Buffer.from('3'), Buffer.from('4')] }]);
    expect(await process.retention.trim(tx, key, 3)).toBe(3);
    await tx.query(`DELETE FROM log_segments WHERE project_id = $1 AND upto <= 3`, [key.project_id]);
  });

describe.each(legs)('following a log, with signals through %s', (leg) => {
  let redis: TestRedis | undefined;
  let logs: Logs;
  let other: Logs;
  beforeAll(async () => {
    redis = leg === 'Redis' ? await testRedis() : undefined;
    logs = await startLogs({ redisUrl: redis?.url });
    other = await startLogs({ url: logs.url, redisUrl: redis?.url });
  });
  afterEach(leaveAll);
  afterAll(async () => {
    await other.stop();
    await logs.stop();
    await redis?.drop();
  });

  const writers = () => [logs, other];

  it('shows what is there and then what comes, whichever process writes it, each with the offset after it (V1)', async () => {
    const key = await logs.make();
    await logs.append(key, [0, 1]);
    const all = [follow(logs, key), follow(other, key), follow(logs, key, 'now')];
    await Promise.all(all.map(live));
    for (const n of upTo(22, 2)) await writers()[n % 2]!.append(key, [n]);
    await seen(all[0]!, upTo(22));
    await seen(all[1]!, upTo(22));
    await seen(all[2]!, upTo(22, 2));
    for (const { controls } of all) {
      const offsets = controls.map(({ streamNextOffset }) => streamNextOffset);
      expect(offsets).toEqual([...new Set(offsets)].sort());
      expect(offsets.at(-1)).toBe(await logs.offsetOf(key, 22));
    }
  });

  it.each([
    ['this process', 0, '-1'],
    ['another process', 1, '-1'],
    ['this process', 0, 'now'],
    ['another process', 1, 'now'],
  ])(
    'loses and doubles nothing that %s [%d] commits at any moment of the join, from offset %s (V1)',
    async (_, writer, offset) => {
      const steps = await betweenAllSteps(logs, async () => {
        const key = await logs.make();
        await logs.append(key, [0, 1]);
        return {
          interfere: () => writers()[writer]!.append(key, [2]),
          work: async () => {
            const view = follow(logs, key, offset);
            await live(view);
            await other.append(key, [3], { close: true });
            expect(await view.ended).toBe('closed');
            const all = await other.read(key);
            expect(view.seen).toEqual(offset === 'now' ? all.slice(all.length - view.seen.length) : all);
            expect(view.seen.at(-1)).toBe(3);
          },
        };
      });
      expect(steps).toBeGreaterThan(2);
    },
  );

  it('loses nothing that is committed by groups and by transactions of two processes at once (V1)', async () => {
    const key = await logs.make();
    const all = [follow(logs, key), follow(other, key)];
    const within = (process: Logs, n: number) =>
      process.unitOfWork.run(async (tx) =>
        process.log.appendWithin(tx, { ...key, messages: [Buffer.from(String(n))] }),
      );
    const write = async (process: Logs, first: number) => {
      for (const n of upTo(first + 25, first)) await (n % 2 ? process.append(key, [n]) : within(process, n));
    };
    await Promise.all([write(logs, 0), write(logs, 100), write(other, 200), write(other, 300)]);
    const written = await logs.read(key);
    expect(written).toHaveLength(100);
    for (const view of all) await seen(view, written);
  });

  it('shows a fork what is appended to it, and nothing of what its source gets (V1)', async () => {
    const source = await logs.make();
    await logs.append(source, [0, 1]);
    const branch = await logs.make({
      project_id: source.project_id,
      fork: { source_path: source.path, sub_offset: 0 },
    });
    const view = follow(other, branch);
    await live(view);
    await logs.append(source, [2]);
    await logs.append(branch, [3]);
    await seen(view, [0, 1, 3]);
  });

  it.each(['live', 'behind'])(
    'shows the characters of a text whole, however they were written, when %s (V1)',
    async (how) => {
      const text = 'aä€𝄞z\n'.repeat(3);
      const key = await logs.make({ content_type: 'text/plain' });
      const view = how === 'live' ? follow(logs, key) : undefined;
      if (view) await live(view);
      for (const [index, byte] of [...Buffer.from(text)].entries()) {
        await writers()[index % 2]!.log.append({ ...key, messages: [Buffer.from([byte])] });
      }
      const all = view ?? follow(logs, key);
      await eventually(() => expect(all.seen.join('')).toBe(text));
      for (const { streamNextOffset } of all.controls) {
        const rest = follow(other, key, streamNextOffset);
        const position = Number(streamNextOffset.slice(-16));
        await live(rest);
        expect(rest.seen.join('')).toBe(Buffer.from(text).subarray(position).toString());
      }
    },
  );

  it('shows a text to its end, though it breaks off in the middle of a character (V1)', async () => {
    const key = await logs.make({ content_type: 'text/plain' });
    const view = follow(logs, key);
    await live(view);
    await other.log.append({ ...key, messages: [Buffer.from('ab€').subarray(0, 3)] });
    await eventually(() => expect(view.seen).toEqual(['ab']));
    await other.log.append({ ...key, messages: [], close: true });
    expect(await view.ended).toBe('closed');
    expect(view.seen).toEqual(['ab', '\ufffd']);
    expect(view.controls.at(-1)).toMatchObject({ streamClosed: true, streamNextOffset: await logs.offsetOf(key, 3) });
  });

  describe('slowly', () => {
    it('is sent nothing while it takes nothing, then catches up by itself and is live again (V2)', async () => {
      const key = await logs.make();
      const [slow, quick] = [follow(logs, key), follow(logs, key)];
      await Promise.all([slow, quick].map(live));
      slow.stopTaking();
      for (const n of upTo(30)) await writers()[n % 2]!.append(key, [n]);
      await seen(quick, upTo(30));
      await eventually(() => expect(slow.isLeftAlone).toBe(true));
      expect(slow.seen.length).toBeLessThan(30);
      slow.goOnTaking();
      await seen(slow, upTo(30));
      await logs.append(key, [30]);
      await seen(slow, upTo(31));
    });

    it('and then not at all is dropped, and told so, while the others go on (V2)', async () => {
      const key = await logs.make();
      const [stuck, quick] = [follow(logs, key), follow(logs, key)];
      await Promise.all([stuck, quick].map(live));
      stuck.stopTaking();
      await logs.append(key, [0]);
      await eventually(() => expect(stuck.isLeftAlone).toBe(true));
      await logs.append(key, [1]);
      stuck.stall();
      expect(await stuck.ended).toBe('too_slow');
      expect(stuck.comments.at(-1)).toMatch(/too slow/);
      expect(stuck.seen).toEqual([0]);
      await seen(quick, [0, 1]);
      // It comes again from the offset that it has.
      await seen(follow(logs, key, stuck.controls.at(-1)!.streamNextOffset), [1]);
    });
  });

  describe('ends', () => {
    it.each([0, 1])('with the last message of a log that is closed by process %d (V3)', async (writer) => {
      const key = await logs.make();
      const view = follow(logs, key);
      await live(view);
      await writers()[writer]!.append(key, [1], { close: true });
      expect(await view.ended).toBe('closed');
      expect(view.seen).toEqual([1]);
      expect(view.controls.at(-1)).toMatchObject({ streamClosed: true, upToDate: true });
      const late = follow(other, key);
      expect(await late.ended).toBe('closed');
      expect(late.seen).toEqual([1]);
    });

    it.each([0, 1])('when process %d closes it with nothing more to show (V3)', async (writer) => {
      const key = await logs.make();
      const view = follow(logs, key);
      await live(view);
      await writers()[writer]!.append(key, [], { close: true });
      expect(await view.ended).toBe('closed');
      expect(view.controls.at(-1)).toMatchObject({ streamClosed: true });
    });

    it.each([0, 1])(
      'when process %d deletes the log, and begins anew with the one that is made in its place (V3)',
      async (writer) => {
        const key = await logs.make();
        const view = follow(logs, key);
        await live(view);
        await writers()[writer]!.lifecycle.delete(key);
        expect(await view.ended).toBe('gone');
        await writers()[writer]!.make(key);
        await logs.append(key, [5]);
        await seen(follow(logs, key), [5]);
        expect(view.seen).toEqual([]);
      },
    );

    it('when the log is only hidden because forks read from it, which are followed on (V3)', async () => {
      const source = await logs.make();
      const branch = await logs.make({
        project_id: source.project_id,
        fork: { source_path: source.path, sub_offset: 0 },
      });
      const [gone, kept] = [follow(logs, source), follow(logs, branch)];
      await Promise.all([gone, kept].map(live));
      await other.lifecycle.delete(source);
      expect(await gone.ended).toBe('gone');
      await other.append(branch, [1]);
      await seen(kept, [1]);
    });

    it('when what comes next was trimmed away before it came: the viewer asks again and is told (V3)', async () => {
      const key = await logs.make();
      await logs.append(key, [0]);
      const view = follow(logs, key);
      await seen(view, [0]);
      await appendAndTrim(other, key);
      expect(await view.ended).toBe('gone');
      const again = follow(logs, key, view.controls.at(-1)!.streamNextOffset);
      await expect(again.ended).rejects.toEqual(code('offset_gone'));
    });

    it('as soon as the viewer leaves (V3)', async () => {
      const key = await logs.make();
      const view = follow(logs, key);
      await live(view);
      view.leave();
      expect(await view.ended).toBe('left');
      await logs.append(key, [1]);
      expect(view.seen).toEqual([]);
    });
  });

  describe('by long-poll', () => {
    const WAIT_MS = 20_000;

    it.each([0, 1])('is answered as soon as process %d writes something (V5)', async (writer) => {
      const key = await logs.make();
      await logs.append(key, [0]);
      const polling = logs.viewer.poll(key, await logs.offsetOf(key, 1), WAIT_MS, unlimited);
      const [answer] = await Promise.all([polling, writers()[writer]!.append(key, [1])]);
      expect([answer.page.next, valuesOf(answer)]).toEqual([2, [1]]);
    });

    it('loses nothing that is committed at any moment of it (V5)', async () => {
      for (const writer of writers()) {
        const steps = await betweenAllSteps(logs, async () => {
          const key = await logs.make();
          await logs.append(key, [0]);
          return {
            interfere: () => writer.append(key, [1]),
            work: async () => {
              const first = await logs.viewer.poll(key, await other.offsetOf(key, 1), 0, unlimited);
              const next = await other.offsetOf(key, first.page.next);
              const before = (await other.read(key)).slice(1);
              const rest = await logs.viewer.poll(key, next, 0, unlimited);
              const seen = [...valuesOf(first), ...valuesOf(rest)];
              // What was there before a poll is in it; what came during it is in it, or in the next.
              expect(seen.slice(0, before.length)).toEqual(before);
              const all = (await other.read(key)).slice(1);
              const end = await other.offsetOf(key, rest.page.next);
              const last = await logs.viewer.poll(key, end, 0, unlimited);
              const shown = [...seen, ...valuesOf(last)];
              expect(shown.slice(0, all.length)).toEqual(all);
              expect(shown).toEqual((await other.read(key)).slice(1, 1 + shown.length));
            },
          };
        });
        expect(steps).toBeGreaterThan(2);
      }
    });

    it('is answered at once with what is there, and at the end of a closed log (V5)', async () => {
      const key = await logs.make();
      await logs.append(key, [0, 1], { close: true });
      const answer = await other.viewer.poll(key, '-1', WAIT_MS, unlimited);
      expect([answer.page.next, valuesOf(answer)]).toEqual([2, [0, 1]]);
      const end = await other.viewer.poll(key, 'now', WAIT_MS, unlimited);
      expect(end).toMatchObject({ head: { closed: true }, page: { next: 2, parts: [], upToDate: true } });
    });

    it.each([0, 1])('ends when process %d closes the log, or deletes it (V5)', async (writer) => {
      const [closed, deleted] = [await logs.make(), await logs.make()];
      const polls = [closed, deleted].map((key) => logs.viewer.poll(key, 'now', WAIT_MS, unlimited));
      const settled = Promise.allSettled(polls);
      await writers()[writer]!.append(closed, [], { close: true });
      await writers()[writer]!.lifecycle.delete(deleted);
      expect(await settled).toMatchObject([
        { status: 'fulfilled', value: { head: { closed: true } } },
        { status: 'rejected', reason: { code: 'stream_not_found' } },
      ]);
    });

    it('is not answered with another log that was made in place of the first (V5)', async () => {
      const key = await logs.make();
      await logs.append(key, upTo(3));
      const { id } = await logs.head(key);
      const polling = logs.viewer.poll(key, await logs.offsetOf(key, 3), WAIT_MS, unlimited);
      const settled = Promise.allSettled([polling]);
      await other.unitOfWork.run(async (tx) => {
        await other.lifecycle.remove(tx, { ...key, id });
        await other.lifecycle.createWithin(tx, key, { generation: id + 1_000_000, projected: false });
        await other.log.write(tx, [{ ...key, messages: upTo(5).map((n) => Buffer.from(String(n))) }]);
      });
      expect(await settled).toMatchObject([{ status: 'rejected', reason: { code: 'offset_gone' } }]);
    });

    it('ends empty when its time is over, or the caller leaves (V5)', async () => {
      const key = await logs.make();
      await logs.append(key, [0]);
      const over = await logs.viewer.poll(key, 'now', 1, unlimited);
      expect(over.page).toMatchObject({ from: 1, next: 1, parts: [], upToDate: true });
      const leave = new AbortController();
      const left = logs.viewer.poll(key, 'now', 600_000, leave.signal);
      leave.abort();
      expect((await left).page.parts).toEqual([]);
    });
  });
});

describe('following a log without signals', () => {
  let logs: Logs;
  let deaf: Logs;
  beforeAll(async () => {
    logs = await startLogs();
    deaf = await startLogs({ url: logs.url, redisUrl: NO_REDIS });
  });
  afterEach(leaveAll);
  afterAll(async () => {
    await deaf.stop();
    await logs.stop();
  });

  it('finds out by itself what no signal told: commits, ends, deletions, expiry (V4)', async () => {
    const make = async (create = {}) => deaf.make(create);
    const [moved, closed, deleted, expired] = [
      await make(),
      await make(),
      await make(),
      await make({ lifetime: { expires_at: new Date(Date.now() + 3_600_000) } }),
    ];
    const all = [moved, closed, deleted, expired].map((key) => follow(deaf, key));
    await Promise.all(all.map(live));
    await logs.append(moved, [1]);
    await logs.append(closed, [1], { close: true });
    await logs.lifecycle.delete(deleted);
    await logs.age(expired, 7_200);
    await seen(all[0]!, [1]);
    expect(await all[1]!.ended).toBe('closed');
    expect(await all[2]!.ended).toBe('gone');
    expect(await all[3]!.ended).toBe('gone');
  });

  it('keeps a log alive that ends when nobody uses it (V4)', async () => {
    const key = await deaf.make({ lifetime: { ttl_seconds: 100 } });
    const view = follow(deaf, key);
    await live(view);
    await deaf.age(key, 60);
    const aged = (await deaf.head(key)).expires_at!;
    await eventually(async () => expect((await deaf.head(key)).expires_at!.getTime()).toBeGreaterThan(aged.getTime()));
    await deaf.append(key, [1]);
    await seen(view, [1]);
  });

  it('keeps a log alive for as long as it is watched that ends within seconds otherwise (V4)', async () => {
    const key = await deaf.make({ lifetime: { ttl_seconds: 2 } });
    // It would end while a machine is busy: here it counts how often it is used.
    await deaf.age(key, -3_600);
    const uses = jest.spyOn(deaf.unitOfWork, 'statement');
    await live(follow(deaf, key));
    await eventually(() => {
      expect(uses.mock.calls.filter(([{ name }]) => name === 'log_touch').length).toBeGreaterThan(6);
    });
    uses.mockRestore();
  });

  it('keeps nobody out by a viewer who still takes what was shown of a log that is gone (V2)', async () => {
    const key = await logs.make();
    const stuck = follow(deaf, key);
    await live(stuck);
    stuck.stopTaking();
    await deaf.append(key, [0]);
    await eventually(() => expect(stuck.isLeftAlone).toBe(true));
    await logs.lifecycle.delete(key);
    await logs.make({ ...key, body: Buffer.from('[7]') });
    await eventually(async () => {
      const view = follow(deaf, key);
      await Promise.race([view.ended, seen(view, [7])]);
      expect(view.seen).toEqual([7]);
    });
    stuck.stall();
    expect(stuck.seen).toEqual([0]);
  });
  it('ends for those alone whose messages were trimmed away (V3)', async () => {
    const key = await deaf.make();
    await deaf.append(key, [0]);
    const behind = follow(deaf, key);
    await seen(behind, [0]);
    await appendAndTrim(logs, key);
    // The first to come may find out, and then comes again.
    await eventually(async () => {
      const view = follow(deaf, key);
      await Promise.race([view.ended, seen(view, [3, 4])]);
      expect(view.seen).toEqual([3, 4]);
    });
    expect(await behind.ended).toBe('gone');
  });
});
