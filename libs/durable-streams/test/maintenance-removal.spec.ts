import { Logger } from '@nestjs/common';
import type { LogKey } from '../src/index.js';
import { startLogs, unlimited, type Logs } from './maintenance-fixture.js';

// A worker that is killed says so.
Logger.overrideLogger(false);

const upTo = (count: number) => [...Array(count).keys()];
const NOTHING = { segments: 0, producers: 0, garbage: 0 };

let logs: Logs;
let other: Logs;
beforeAll(async () => {
  logs = await startLogs();
  other = await startLogs({ url: logs.url });
});
afterAll(async () => {
  await other.stop();
  await logs.stop();
});
beforeEach(() => logs.clear());

const numbers = async (key: LogKey) => (await logs.messages(key)).map(({ n }) => n);
const notFound = { code: 'stream_not_found' };

describe('the sweep of expired logs', () => {
  const HOUR = { ttl_seconds: 3_600 };

  const expire = (...keys: LogKey[]) =>
    logs.unitOfWork.query(`UPDATE log_streams SET expires_at = now() - interval '1 second' WHERE path = ANY($1)`, [
      keys.map(({ path }) => path),
    ]);

  async function make(count = 10): Promise<LogKey[]> {
    const keys = await Promise.all(upTo(count).map(() => logs.make({ lifetime: HOUR })));
    for (const key of keys) await logs.scatter(key, 3);
    return keys;
  }

  it('M12: removes the logs whose time has passed, and no other', async () => {
    const [passed, alive] = await make(2);
    const forEver = await logs.make();
    await expire(passed!);
    expect(await logs.expired.sweep(unlimited)).toEqual({ logs: 1 });
    await expect(logs.read(passed!)).rejects.toMatchObject(notFound);
    await logs.garbage.collect(unlimited);
    expect(await logs.rowsLeft()).toEqual({ ...NOTHING, segments: 3 });
    expect(await numbers(alive!)).toEqual(upTo(3));
    expect(await numbers(forEver)).toEqual([]);
    expect(await logs.expired.sweep(unlimited)).toEqual({ logs: 0 });
  });

  it('M12: keeps what forks read until the last of them has gone', async () => {
    const [source] = await make(1);
    const branch = (path: string, from: LogKey) =>
      logs.make({
        project_id: source!.project_id,
        path,
        content_type: undefined,
        fork: { source_path: from.path, sub_offset: 0 },
      });
    const fork = await branch('fork', source!);
    const forkOfFork = await branch('fork-of-fork', fork);

    await expire(source!);
    expect(await logs.expired.sweep(unlimited)).toEqual({ logs: 1 });
    await expect(logs.read(source!)).rejects.toMatchObject({ code: 'stream_deleted' });
    expect(await numbers(forkOfFork)).toEqual(upTo(3));

    await expire(fork, forkOfFork);
    expect(await logs.expired.sweep(unlimited)).toEqual({ logs: 2 });
    expect(await logs.unitOfWork.query(`SELECT 1 FROM log_streams`)).toEqual([]);
    await logs.garbage.collect(unlimited);
    expect(await logs.rowsLeft()).toEqual(NOTHING);
  });

  it('M12: leaves alone a log that was used before it was its turn', async () => {
    const [key] = await make(1);
    await expire(key!);
    const user = await other.holdHead(key!, `expires_at = now() + interval '1 hour'`);
    const sweep = logs.expired.sweep(unlimited);
    await user.blocked();
    await user.commit();
    expect(await sweep).toEqual({ logs: 0 });
    expect(await numbers(key!)).toEqual(upTo(3));
  });

  it('M12: two sweepers at once remove each log once, beside an owner who makes one again', async () => {
    const keys = await make(120);
    await expire(...keys);
    const [again, ...rest] = keys;
    const made = logs.make({ ...again!, lifetime: HOUR });
    const done = await Promise.all([logs.expired.sweep(unlimited), other.expired.sweep(unlimited)]);
    await made;
    const removed = done[0].logs + done[1].logs;
    expect([rest.length, keys.length]).toContain(removed);
    expect(await numbers(again!)).toEqual([]);
    expect(await logs.unitOfWork.query(`SELECT path FROM log_streams`)).toEqual([{ path: again!.path }]);
    await Promise.all([logs.garbage.collect(unlimited), other.garbage.collect(unlimited)]);
    expect(await logs.rowsLeft()).toEqual(NOTHING);
  });

  it('M12: killed while it removes a log it has removed nothing of it', async () => {
    const [key] = await make(1);
    await expire(key!);
    const user = await other.holdHead(key!, 'version = version');
    const sweep = logs.expired.sweep(unlimited);
    await logs.unitOfWork.query(`SELECT pg_terminate_backend($1)`, [await user.blocked()]);
    expect(await sweep).toEqual({ logs: 0 });
    await user.commit();
    expect(await logs.rowsLeft()).toEqual({ ...NOTHING, segments: 3 });
    expect(await logs.expired.sweep(unlimited)).toEqual({ logs: 1 });
  });
});

describe('the collection of garbage', () => {
  const collect = (process = logs) => process.garbage.collect(unlimited);

  async function giveProducers(key: LogKey, count: number): Promise<void> {
    await logs.unitOfWork.query(
      `INSERT INTO log_producers (project_id, log_id, producer_id, epoch, seq)
       SELECT project_id, id, 'p' || n, 0, 0 FROM log_streams, generate_series(1, $2::int) n WHERE path = $1`,
      [key.path, count],
    );
  }

  it('M13: removes every row that a deleted log has left, in many steps, and no row of another one', async () => {
    const [gone, stays] = [await logs.make(), await logs.make()];
    for (const key of [gone, stays]) {
      await logs.scatter(key, 2_500, { bytes: 20 });
      await giveProducers(key, 2_500);
    }
    await logs.lifecycle.delete(gone);
    expect(await collect()).toEqual({ segments: 2_500, producers: 2_500 });
    expect(await logs.rowsLeft()).toEqual({ segments: 2_500, producers: 2_500, garbage: 0 });
    expect((await numbers(stays)).length).toBe(2_500);
  });

  it('M13: a log made again at the path has nothing to do with it', async () => {
    const key = await logs.make();
    await logs.scatter(key, 20);
    await logs.lifecycle.delete(key);
    await logs.make(key);
    await logs.append(key, '{"n":7}');
    expect(await collect()).toEqual({ segments: 20, producers: 0 });
    expect(await numbers(key)).toEqual([7]);
  });

  it('M13: killed between two steps, the next one goes on where it was', async () => {
    const key = await logs.make();
    await logs.scatter(key, 2_500, { bytes: 20 });
    const hold = await other.holdSegment(key, 1_500);
    await logs.lifecycle.delete(key);
    const round = collect();
    const pid = await hold.blocked();
    expect(await collect(other)).toEqual({ segments: 0, producers: 0 });
    await logs.unitOfWork.query(`SELECT pg_terminate_backend($1)`, [pid]);
    expect(await round).toEqual({ segments: 1_000, producers: 0 });
    expect(await logs.rowsLeft()).toEqual({ segments: 1_500, producers: 0, garbage: 1 });

    await hold.release();
    expect(await collect()).toEqual({ segments: 1_500, producers: 0 });
    expect(await logs.rowsLeft()).toEqual(NOTHING);
  });

  it('M13: two at once remove each row once', async () => {
    const keys = await Promise.all(upTo(110).map(() => logs.make()));
    for (const key of keys) await logs.scatter(key, 10);
    for (const key of keys) await logs.lifecycle.delete(key);
    const done = await Promise.all([collect(logs), collect(other)]);
    expect(done[0].segments + done[1].segments).toBe(1_100);
    // What one of them had in hand, the other one left.
    await collect();
    expect(await logs.rowsLeft()).toEqual(NOTHING);
  });

  it('M13: nothing of a log that was trimmed and then deleted stays', async () => {
    const key = await logs.make();
    await logs.scatter(key, 20);
    await logs.unitOfWork.run((tx) => logs.retention.trim(tx, key, 20));
    await logs.scatter(key, 5);
    await logs.lifecycle.delete(key);
    expect(await collect()).toEqual({ segments: 25, producers: 0 });
    expect(await logs.rowsLeft()).toEqual(NOTHING);
  });
});
