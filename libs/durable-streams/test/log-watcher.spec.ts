import { randomUUID } from 'node:crypto';
import fc from 'fast-check';
import { eventually } from '@holdfast/testing';
import { LogReader, type LogKey } from '../src/index.js';
import { startProcess, Viewer, type Process } from './live-fixture.js';

/** So long that a frame holds one or two of them. */
const LONG = 'x'.repeat(600_000);

describe('watching many logs', () => {
  let here: Process;
  let elsewhere: Process;
  const watching: Viewer[] = [];
  beforeAll(async () => {
    here = await startProcess();
    elsewhere = await startProcess(here);
  }, 60_000);
  afterEach(() => watching.splice(0).forEach(({ leaving }) => leaving.abort()));
  afterAll(async () => {
    await elsewhere?.stop();
    await here?.stop();
  }, 30_000);

  const watch: Process['watch'] = (wanted, options = {}) => {
    const watched = here.watch(wanted, options);
    watching.push(watched.viewer);
    return watched;
  };
  const fromStart = (...keys: LogKey[]) => keys.map((key) => ({ key, offset: '-1' }));
  const logWith = async (...messages: unknown[]) => {
    const key = await here.make();
    for (const message of messages) await here.append(key, message);
    return key;
  };

  it('shows each from its offset on, and then what is committed, here and in other processes', async () => {
    const [one, two, three] = [await logWith('a', 'b'), await logWith('c'), await logWith('d')];
    const { viewer } = watch([
      { key: one, offset: await here.offsetAt(one, 1) },
      { key: two, offset: '-1' },
      { key: three, offset: 'now' },
    ]);
    expect(await viewer.seen(3)).toEqual([
      { path: three.path, messages: [], next: 1, upToDate: true },
      { path: one.path, messages: ['b'], next: 2, upToDate: true },
      { path: two.path, messages: ['c'], next: 1, upToDate: true },
    ]);
    await here.append(two, 'e', 'f');
    await elsewhere.append(three, 'g');
    expect((await viewer.seen(5)).slice(3)).toEqual([
      { path: two.path, messages: ['e', 'f'], next: 3, upToDate: true },
      { path: three.path, messages: ['g'], next: 2, upToDate: true },
    ]);
  });

  it('tells where now was of all that begin there before it shows any other', async () => {
    const [long, one, two] = [await logWith(LONG, LONG), await logWith('a'), await logWith()];
    const fromNow = [one, two].map((key) => ({ key, offset: 'now' }));
    const { viewer } = watch([...fromStart(long), ...fromNow], { viewer: new Viewer().takeOneByOne() });
    viewer.take();
    viewer.take();
    expect(await viewer.paths(3)).toEqual([one.path, two.path, long.path]);
  });

  it('sends those that are behind one frame each in turn, so that a long one holds up no other', async () => {
    const long = await logWith(...Array<string>(8).fill(LONG));
    const [short, quiet] = [await logWith('a'), await logWith()];
    const { viewer } = watch(fromStart(long, short, quiet), { viewer: new Viewer().takeOneByOne() });
    for (let frame = 1; frame < 3; frame++) {
      await viewer.seen(frame);
      viewer.take();
    }
    expect(await viewer.paths(3)).toEqual([long.path, short.path, quiet.path]);
    await here.append(quiet, 'b');
    await here.append(quiet, 'c');
    for (let frame = 3; frame < 6; frame++) {
      await viewer.seen(frame);
      viewer.take();
    }
    const paths = (await viewer.paths(6)).slice(3);
    expect(paths).toEqual([long.path, quiet.path, long.path]);
    expect(viewer.shown[4]).toMatchObject({ messages: ['b', 'c'], upToDate: true });
  });

  it('writes what is committed to a live log while another catches up', async () => {
    const [long, live] = [await logWith(LONG, LONG, LONG, LONG), await logWith()];
    const { viewer } = watch(fromStart(live, long));
    await viewer.seen(1);
    await here.append(live, 'a');
    await eventually(() => expect(viewer.messagesOf(long)).toHaveLength(4));
    expect(viewer.messagesOf(live)).toEqual(['a']);
  });

  it('sends a viewer that takes nothing no more, and then what it has missed, once', async () => {
    const [busy, calm] = [await logWith(), await logWith()];
    const { viewer } = watch(fromStart(busy, calm));
    await viewer.seen(2);
    viewer.takeOneByOne();
    for (const message of [1, 2, 3]) await here.append(busy, message);
    await here.append(calm, 'a');
    expect(await viewer.seen(3)).toHaveLength(3);
    viewer.takeAllAtOnce();
    expect((await viewer.seen(5)).slice(2)).toEqual([
      { path: busy.path, messages: [1], next: 1, upToDate: true },
      { path: busy.path, messages: [2, 3], next: 3, upToDate: true },
      { path: calm.path, messages: ['a'], next: 1, upToDate: true },
    ]);
  });

  it('drops a viewer that takes nothing for too long, and says so', async () => {
    const log = await logWith('a');
    const { viewer, ended } = watch(fromStart(log), { viewer: new Viewer().takeOneByOne() });
    await viewer.seen(1);
    viewer.stall();
    expect(await ended).toBe('too_slow');
    expect(viewer.comments).toEqual([expect.stringContaining('too slow')]);
  });

  it('tells which cannot be watched and why, and goes on with the others', async () => {
    const [good, trimmed] = [await logWith('a'), await logWith(1, 2, 3)];
    await here.trim(trimmed, 2);
    const foreign = { ...(await logWith('secret')), project_id: good.project_id };
    const unknown = { ...good, path: 'nobody' };
    const { viewer } = watch([
      { key: unknown, offset: '-1' },
      { key: good, offset: '-1' },
      { key: foreign, offset: '-1' },
      { key: trimmed, offset: await here.offsetAt(trimmed, 1) },
      { key: await here.make(), offset: await here.offsetAt(good, 9) },
    ]);
    await viewer.seen(5);
    await here.append(good, 'b');
    const shown = await viewer.seen(6);
    expect(shown.filter(({ problem }) => problem)).toEqual([
      { path: unknown.path, problem: 'stream_not_found' },
      { path: foreign.path, problem: 'stream_not_found' },
      { path: trimmed.path, problem: 'offset_gone', earliest: await here.offsetAt(trimmed, 2) },
      { path: expect.any(String), problem: 'offset_gone', earliest: expect.any(String) },
    ]);
    expect(viewer.messagesOf(good)).toEqual(['a', 'b']);
  });

  it('ends when none can be watched', async () => {
    const { viewer, ended } = watch(fromStart({ project_id: randomUUID(), path: 'nobody' }));
    expect(await ended).toBe('gone');
    expect(viewer.shown).toHaveLength(1);
  });

  it('tells that a log was deleted, or made again, while it watched, and goes on with the others', async () => {
    const [good, deleted, remade] = [await logWith(), await logWith('a'), await logWith('b')];
    const { viewer, ended } = watch(fromStart(good, deleted, remade));
    await viewer.seen(3);
    await here.lifecycle.delete(deleted);
    await viewer.seen(4);
    await elsewhere.lifecycle.delete(remade);
    await elsewhere.make(remade);
    await viewer.seen(5);
    await here.append(good, 'c');
    const [ofDeleted, ofRemade, ofGood] = (await viewer.seen(6)).slice(3);
    expect(ofDeleted).toEqual({ path: deleted.path, problem: 'stream_not_found' });
    expect(ofRemade).toMatchObject({
      path: remade.path,
      problem: expect.stringMatching(/^(offset_gone|stream_not_found)$/),
    });
    expect(ofGood).toMatchObject({ path: good.path, messages: ['c'] });
    viewer.leaving.abort();
    expect(await ended).toBe('left');
  });

  it('ends when the last one is closed, after its last message', async () => {
    const [one, two] = [await logWith('a'), await logWith()];
    await here.close(one);
    const { viewer, ended } = watch(fromStart(one, two));
    await viewer.seen(2);
    await here.append(two, 'b');
    await here.close(two);
    expect(await ended).toBe('closed');
    expect([viewer.messagesOf(one), viewer.messagesOf(two)]).toEqual([['a'], ['b']]);
  });

  it('ends as well when the last one is closed just while it catches up', async () => {
    const log = await logWith('a');
    const read = LogReader.prototype.page;
    jest.spyOn(LogReader.prototype, 'page').mockImplementationOnce(async function (this: LogReader, ...place) {
      const page = await read.apply(this, place);
      await here.close(log);
      return page;
    });
    const { viewer, ended } = watch(fromStart(log));
    expect(await ended).toBe('closed');
    expect(viewer.messagesOf(log)).toEqual(['a']);
  });

  it('asks the viewer to come again when the time is over, also when it is behind', async () => {
    const log = await logWith(LONG, LONG, LONG);
    const begin = Date.now();
    const { viewer, ended } = watch(fromStart(log), { viewer: new Viewer().takeOneByOne(), lifetimeMs: 50 });
    await eventually(() => expect(Date.now()).toBeGreaterThan(begin + 100));
    viewer.takeAllAtOnce();
    expect(await ended).toBe('over');
    expect(viewer.shown.length).toBeLessThanOrEqual(1);
  });

  it('shows every message once and in order, however appends, other processes and slow viewers interleave', async () => {
    const act = fc.oneof(
      fc.record({
        kind: fc.constant('append' as const),
        log: fc.nat(2),
        count: fc.integer({ min: 1, max: 3 }),
        here: fc.boolean(),
      }),
      fc.record({ kind: fc.constantFrom('block' as const, 'take' as const, 'free' as const, 'again' as const) }),
    );
    await fc.assert(
      fc.asyncProperty(fc.array(act, { minLength: 5, maxLength: 30 }), async (acts) => {
        const logs = [await here.make(), await here.make(), await here.make()];
        const appended: number[][] = [[], [], []];
        const places = new Map(logs.map((log) => [log.path, '-1']));
        const seen = new Map(logs.map((log) => [log.path, [] as unknown[]]));
        let watched = watch(logs.map((key) => ({ key, offset: '-1' })));
        const leave = async () => {
          watched.viewer.leaving.abort();
          watched.viewer.takeAllAtOnce();
          await watched.ended;
          for (const { path, messages = [], next } of watched.viewer.shown) {
            seen.get(path)!.push(...messages);
            places.set(
              path,
              await here.offsetAt(
                logs.find((log) => log.path === path)!,
                next!,
              ),
            );
          }
        };
        for (const step of acts) {
          if (step.kind === 'append') {
            const log = appended[step.log]!;
            const next = Array.from({ length: step.count }, (_, index) => log.length + index);
            log.push(...next);
            await (step.here ? here : elsewhere).append(logs[step.log]!, ...next);
          } else if (step.kind === 'block') watched.viewer.takeOneByOne();
          else if (step.kind === 'take') watched.viewer.take();
          else if (step.kind === 'free') watched.viewer.takeAllAtOnce();
          else {
            await leave();
            watched = watch(logs.map((key) => ({ key, offset: places.get(key.path)! })));
          }
        }
        watched.viewer.takeAllAtOnce();
        await eventually(() => {
          const all = logs.map((log) => [...seen.get(log.path)!, ...watched.viewer.messagesOf(log)]);
          expect(all).toEqual(appended);
        });
        await leave();
      }),
      { numRuns: 25 },
    );
  }, 60_000);
});
