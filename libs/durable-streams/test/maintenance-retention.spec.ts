import { Logger } from '@nestjs/common';
import { formatOffset, type LogHead, type LogKey } from '../src/index.js';
import { startLogs, unlimited, type Logs } from './maintenance-fixture.js';

// A worker that is killed says so.
Logger.overrideLogger(false);

const DAY = 24 * 60;

const upTo = (count: number, from = 0) => Array.from({ length: count - from }, (_, index) => from + index);

describe('retention', () => {
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

  const trim = (key: LogKey, upto: number, process = logs) =>
    process.unitOfWork.run((tx) => process.retention.trim(tx, key, upto));
  const numbers = async (key: LogKey) => (await logs.messages(key)).map(({ n }) => n);
  const offset = ({ generation }: LogHead, position: number) => formatOffset({ generation, position });

  /** A log of `count` messages in segments of ten. */
  async function make(count: number): Promise<LogKey> {
    const key = await logs.make();
    const message = (n: number) => Buffer.from(JSON.stringify({ n }));
    await logs.store(
      key,
      upTo(count / 10).map((segment) => upTo(segment * 10 + 10, segment * 10).map(message)),
    );
    return key;
  }

  it('M9: what lies before the trimmed position is gone with an answer that names the earliest offset, the rest stays', async () => {
    const key = await make(100);
    expect(await trim(key, 45)).toBe(45);

    const head = await logs.reader.head(key);
    expect(head).toMatchObject({ first: 45, tail: 100 });
    const gone = { code: 'offset_gone', members: { earliest_offset: offset(head, 45) } };
    for (const position of [0, 1, 44]) {
      await expect(other.reader.locate(key, offset(head, position))).rejects.toMatchObject(gone);
    }
    expect(await other.reader.locate(key, offset(head, 45))).toMatchObject({ position: 45 });
    expect(await other.reader.locate(key, '-1')).toMatchObject({ position: 45 });
    expect(await numbers(key)).toEqual(upTo(100, 45));

    // By whole segments: the one that holds 45 stays.
    expect(await logs.garbage.collect(unlimited)).toEqual({ segments: 4, producers: 0 });
    expect((await logs.segments(key))[0]).toMatchObject({ start: 40, upto: 50 });
    expect(await numbers(key)).toEqual(upTo(100, 45));
  });

  it('M9: it never moves back, nor past the tail; without its last message a log is empty and goes on', async () => {
    const key = await make(50);
    expect(await trim(key, 30)).toBe(30);
    expect(await trim(key, 20)).toBe(30);
    expect(await trim(key, 1_000)).toBe(50);
    await logs.garbage.collect(unlimited);

    expect(await logs.rowsLeft()).toEqual({ segments: 0, producers: 0, garbage: 0 });
    expect(await numbers(key)).toEqual([]);
    expect(await logs.append(key, '{"n":50}')).toMatchObject({ kind: 'appended', head: { first: 50, tail: 51 } });
    expect(await numbers(key)).toEqual([50]);
  });

  it('M9: what the transcript has not read stays', async () => {
    const key = await make(50);
    await logs.unitOfWork.query(`UPDATE log_streams SET projected = 25`);
    expect(await trim(key, 40)).toBe(25);
    expect(await numbers(key)).toEqual(upTo(50, 25));
  });

  it('M9: what a fork reads stays until the fork is gone', async () => {
    const key = await make(50);
    const fork = await logs.make({
      project_id: key.project_id,
      content_type: undefined,
      fork: { source_path: key.path, sub_offset: 0 },
    });
    expect(await trim(key, 40)).toBe(0);
    await logs.lifecycle.delete(fork);
    expect(await trim(key, 40)).toBe(40);
  });

  it('M9: a fork that is made at the same time has all that it shows', async () => {
    for (let round = 0; round < 20; round++) {
      const key = await make(50);
      const fork = { project_id: key.project_id, path: 'fork' };
      const zero = { source_path: key.path, offset: offset(await logs.reader.head(key), 20), sub_offset: 0 };
      const [first, made] = await Promise.allSettled([
        trim(key, 40),
        other.lifecycle.create({ ...fork, fork: zero, closed: false, body: Buffer.alloc(0) }),
      ]);
      await logs.garbage.collect(unlimited);
      if (made.status === 'fulfilled') expect(await numbers(fork)).toEqual(upTo(20));
      else expect(made.reason).toMatchObject({ code: 'offset_gone' });
      expect(first).toEqual({ status: 'fulfilled', value: made.status === 'fulfilled' ? 0 : 40 });
    }
  });

  it('M9: writers and readers of two processes go on across a trim', async () => {
    const key = await make(50);
    await other.append(key, '{"n":50}');
    await logs.append(key, '{"n":51}');
    expect(await trim(key, 51)).toBe(51);
    expect(await other.append(key, '{"n":52}')).toMatchObject({ kind: 'appended', head: { first: 51, tail: 53 } });
    await other.garbage.collect(unlimited);
    expect(await numbers(key)).toEqual([51, 52]);
  });

  it('there is nothing to trim of a log that is not there', async () => {
    const absent = { project_id: '00000000-0000-0000-0000-000000000000', path: 'absent' };
    await expect(trim(absent, 1)).rejects.toMatchObject({ code: 'stream_not_found' });
  });

  it('M10: a trim does not wait for a compaction; both have their effect', async () => {
    const key = await logs.make();
    await logs.scatter(key, 80, { bytes: 20_000 });
    const hold = await logs.holdSegment(key, 60);
    const round = logs.compactor.run(unlimited);
    await hold.blocked();

    expect(await trim(key, 55)).toBe(55);
    expect(await other.garbage.collect(unlimited)).toEqual({ segments: 0, producers: 0 });
    await hold.release();
    expect(await round).toMatchObject({ merged: 64, written: 2 });
    await other.garbage.collect(unlimited);

    expect(await numbers(key)).toEqual(upTo(80, 55));
    expect((await logs.segments(key)).every(({ upto }) => upto > 55)).toBe(true);
    expect(await logs.rowsLeft()).toMatchObject({ garbage: 0 });
  });

  it('M10: trims, compactions and appends at the same time leave what they should', async () => {
    const key = await logs.make();
    let isWriting = true;
    const write = async () => {
      for (let n = 0; n < 400; n++) {
        const appended = other.append(key, JSON.stringify({ n }));
        if (n % 20 === 19) await trim(key, n - 100);
        expect(await appended).toMatchObject({ kind: 'appended' });
      }
    };
    const whileWriting = async (work: () => Promise<unknown>) => {
      while (isWriting) await work();
    };
    await Promise.all([
      write().finally(() => (isWriting = false)),
      whileWriting(() => logs.compactor.run(unlimited)),
      whileWriting(() => other.compactor.run(unlimited)),
      whileWriting(() => logs.garbage.collect(unlimited)),
      whileWriting(() => other.garbage.collect(unlimited)),
    ]);
    await logs.garbage.collect(unlimited);
    expect(await logs.reader.head(key)).toMatchObject({ first: 299, tail: 400 });
    expect(await numbers(key)).toEqual(upTo(400, 299));
    expect((await logs.segments(key)).every(({ upto }) => upto > 299)).toBe(true);
  });

  describe('by age', () => {
    it('M11: trims whole segments that are too old, of every log, and none that are not', async () => {
      const [old, mixed, young] = [await logs.make(), await logs.make(), await logs.make()];
      await logs.scatter(old, 10, { minutesAgo: 8 * DAY });
      await logs.scatter(mixed, 10, { minutesAgo: 8 * DAY });
      await logs.scatter(mixed, 10, { minutesAgo: 6 * DAY });
      await logs.scatter(young, 10);

      expect(await logs.retention.trimByAge(7, unlimited)).toEqual({ logs: 2 });
      expect(await logs.garbage.collect(unlimited)).toMatchObject({ segments: 20 });
      expect(await logs.retention.trimByAge(7, unlimited)).toEqual({ logs: 0 });

      expect(await numbers(old)).toEqual([]);
      expect(await logs.reader.head(old)).toMatchObject({ first: 10, tail: 10 });
      expect(await numbers(mixed)).toEqual(upTo(20, 10));
      expect(await numbers(young)).toEqual(upTo(10));
    });

    it('M11: an old segment behind a younger one stays until that one goes', async () => {
      const key = await logs.make();
      await logs.scatter(key, 10, { minutesAgo: 6 * DAY });
      await logs.scatter(key, 10, { minutesAgo: 8 * DAY });
      expect(await logs.retention.trimByAge(7, unlimited)).toEqual({ logs: 0 });
    });

    it('M11: compaction makes no message look older than it is, and none younger by more than a day', async () => {
      const key = await logs.make();
      for (const days of [9, 8, 6, 0]) await logs.scatter(key, 40, { minutesAgo: days * DAY });
      await logs.compactor.run(unlimited);
      expect((await logs.segments(key)).map(({ upto }) => upto).slice(0, 4)).toEqual([40, 80, 120, 144]);

      await logs.retention.trimByAge(7, unlimited);
      expect(await numbers(key)).toEqual(upTo(160, 80));
    });

    it('M11: a merged segment is as old as its newest message', async () => {
      const key = await logs.make();
      await logs.scatter(key, 80);
      await logs.unitOfWork.query(
        `UPDATE log_segments SET created_at = '2026-01-01T00:00:00Z'::timestamptz + make_interval(mins => upto::int)`,
      );
      expect(await logs.compactor.run(unlimited)).toMatchObject({ merged: 64, written: 1 });
      expect(await logs.unitOfWork.query(`SELECT created_at FROM log_segments ORDER BY upto LIMIT 1`)).toEqual([
        { created_at: new Date('2026-01-01T01:04:00Z') },
      ]);
    });

    it('M11: goes through more logs than one batch holds, and through more segments than one step', async () => {
      const project_id = '00000000-0000-0000-0000-000000000000';
      await logs.unitOfWork.query(
        `INSERT INTO log_streams (project_id, path, generation, content_type)
         SELECT $1, 'logs/' || n, 1, 'application/json' FROM generate_series(1, 1100) n`,
        [project_id],
      );
      await logs.scatter({ project_id, path: 'logs/999' }, 10_050, { bytes: 20, minutesAgo: 8 * DAY });
      await logs.scatter({ project_id, path: 'logs/1' }, 10, { minutesAgo: 8 * DAY });

      expect(await logs.retention.trimByAge(7, unlimited)).toEqual({ logs: 2 });
      expect(await logs.garbage.collect(unlimited)).toMatchObject({ segments: 10_060 });
      expect(await logs.rowsLeft()).toEqual({ segments: 0, producers: 0, garbage: 0 });
    });

    it('M11: two workers at once trim each log once', async () => {
      const keys = await Promise.all(upTo(20).map(() => logs.make()));
      for (const key of keys) await logs.scatter(key, 10, { minutesAgo: 8 * DAY });
      const done = await Promise.all([logs.retention.trimByAge(7, unlimited), other.retention.trimByAge(7, unlimited)]);
      expect(done[0].logs + done[1].logs).toBe(20);
      for (const key of keys) expect(await logs.row(key)).toMatchObject({ first: 10, version: 2 });
    });

    it('M11: what forks read or the transcript has not read is not trimmed by age either', async () => {
      const [source, unread] = [await logs.make(), await logs.make()];
      for (const key of [source, unread]) await logs.scatter(key, 10, { minutesAgo: 8 * DAY });
      await logs.make({
        project_id: source.project_id,
        content_type: undefined,
        fork: { source_path: source.path, sub_offset: 0 },
      });
      await logs.unitOfWork.query(`UPDATE log_streams SET projected = 4 WHERE path = $1`, [unread.path]);
      expect(await logs.retention.trimByAge(7, unlimited)).toEqual({ logs: 1 });
      expect(await numbers(source)).toEqual(upTo(10));
      expect(await numbers(unread)).toEqual(upTo(10, 4));
    });
  });
});
