import { randomUUID } from 'node:crypto';
import { eventually } from '@holdfast/testing';
import { formatOffset, type LogCreate, type LogKey } from '../src/index.js';
import { betweenAllSteps, gate, refused, startLogs, unlimited, upTo, type Logs } from './logs-fixture.js';

const code = (name: string, members: object = {}) => expect.objectContaining({ code: name, ...members });
const hours = (count: number) => new Date(Date.now() + count * 3_600_000);

describe('logs', () => {
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

  const create = (key: LogKey, rest: Partial<LogCreate> = {}, process = logs) =>
    process.lifecycle.create({
      content_type: 'application/json',
      closed: false,
      body: Buffer.alloc(0),
      ...key,
      ...rest,
    });
  const newKey = (project_id: string = randomUUID()): LogKey => ({ project_id, path: `logs/${randomUUID()}` });

  describe('are made', () => {
    it('with their first content, whole or not at all (C1)', async () => {
      const key = newKey();
      const { created, head } = await create(key, { body: Buffer.from('[1, [2], 3]'), closed: true });
      expect({ created, head }).toMatchObject({ created: true, head: { tail: 3, closed: true } });
      expect(await other.read(key)).toEqual([1, [2], 3]);

      const broken = newKey();
      await expect(create(broken, { body: Buffer.from('[1,') })).rejects.toEqual(code('append_malformed'));
      await expect(logs.head(broken)).rejects.toEqual(code('stream_not_found'));
    });

    it('once, however often and through whichever process they are asked for at once (C1)', async () => {
      const key = newKey();
      const answers = await Promise.all(
        upTo(10).map((n) => create(key, { body: Buffer.from('[1]') }, n % 2 ? other : logs)),
      );
      expect(answers.filter(({ created }) => created)).toHaveLength(1);
      expect(await logs.read(key)).toEqual([1]);
    });

    const text = { content_type: 'text/plain' };
    it.each<[string, Partial<LogCreate>, Partial<LogCreate>, string]>([
      ['content type', text, { content_type: 'text/html' }, 'content type'],
      ['content type that is not said', text, { content_type: undefined }, 'content type'],
      ['state', {}, { closed: true }, 'closed state'],
      ['lifetime', { lifetime: { ttl_seconds: 60 } }, { lifetime: { ttl_seconds: 61 } }, 'lifetime'],
      ['lifetime that has none', { lifetime: { ttl_seconds: 60 } }, {}, 'lifetime'],
      ['end', { lifetime: { expires_at: hours(1) } }, { lifetime: { expires_at: hours(2) } }, 'lifetime'],
    ])('and not again with another %s (C1)', async (_, first, second, difference) => {
      const key = newKey();
      await create(key, first);
      await expect(create(key, second)).rejects.toEqual(code('stream_exists', { members: { difference } }));
      expect((await create(key, first)).created).toBe(false);
    });

    it('and found again after more was appended, and closed only as closed (C1)', async () => {
      const key = newKey();
      await create(key);
      await logs.append(key, [1]);
      expect(await create(key)).toMatchObject({ created: false, head: { tail: 1 } });
      await logs.append(key, [], { close: true });
      await expect(create(key)).rejects.toEqual(code('stream_exists'));
      expect((await create(key, { closed: true })).created).toBe(false);
    });

    it('or found, whenever another process deletes what is there (C1)', async () => {
      const steps = await betweenAllSteps(logs, async () => {
        const key = await logs.make();
        let isDeleted = false;
        return {
          interfere: () => other.lifecycle.delete(key).then(() => (isDeleted = true)),
          work: async () => {
            const { created } = await create(key, { body: Buffer.from('[1]') });
            expect(created).toBe(isDeleted && (await other.read(key)).length === 1);
          },
        };
      });
      expect(steps).toBeGreaterThan(1);
    });

    it('in their own project: those of others are neither seen nor in the way (C2)', async () => {
      const key = await logs.make({ body: Buffer.from('[1]') });
      const foreign = { ...key, project_id: randomUUID() };
      for (const attempt of [logs.head(foreign), logs.reader.locate(foreign, '-1'), logs.lifecycle.delete(foreign)]) {
        await expect(attempt).rejects.toEqual(code('stream_not_found'));
      }
      const fork = { fork: { source_path: key.path, sub_offset: 0 }, content_type: undefined };
      await expect(create(newKey(foreign.project_id), fork)).rejects.toEqual(code('stream_not_found'));
      expect((await create(foreign)).created).toBe(true);
      expect(await logs.read(foreign)).toEqual([]);
    });
  });

  describe('that are deleted', () => {
    it('are gone at once, and so is what they held (C3)', async () => {
      const key = await logs.make();
      await logs.append(key, [1], { producer: { id: 'w', epoch: 0, seq: 0 } });
      await logs.lifecycle.delete(key);
      await expect(other.head(key)).rejects.toEqual(code('stream_not_found'));
      await expect(other.lifecycle.delete(key)).rejects.toEqual(code('stream_not_found'));
      await logs.garbage.collect(unlimited);
      expect(await logs.rows(key.project_id)).toEqual({ streams: 0, segments: 0, producers: 0 });
    });

    it('are so once: of many who delete one at once, all others are told that it is gone (C3)', async () => {
      for (const isHidden of [false, true]) {
        const key = await logs.make();
        const asFork = { project_id: key.project_id, fork: { source_path: key.path, sub_offset: 0 } };
        if (isHidden) await logs.make(asFork);
        const answers = await Promise.allSettled(upTo(6).map((n) => (n % 2 ? other : logs).lifecycle.delete(key)));
        const late = answers.flatMap((answer) => (answer.status === 'rejected' ? [answer.reason as unknown] : []));
        expect(late).toEqual(Array(5).fill(code(isHidden ? 'stream_deleted' : 'stream_not_found')));
      }
    });

    it('may be made again, as another log: offsets, producers and sequences of the old one are not its own (C3)', async () => {
      const key = await logs.make();
      await logs.append(key, upTo(5), { producer: { id: 'w', epoch: 3, seq: 0 }, seq: 'z' });
      const old = await logs.offsetOf(key, 3);
      await logs.lifecycle.delete(key);
      await other.make(key);
      await other.append(key, upTo(5));
      const earliest_offset = await logs.offsetOf(key, 0);
      const gone = code('offset_gone', { members: { earliest_offset } });
      await expect(logs.reader.locate(key, old)).rejects.toEqual(gone);
      const again = await logs.append(key, [5], { producer: { id: 'w', epoch: 0, seq: 0 }, seq: 'a' });
      expect(again).toMatchObject({ kind: 'appended', head: { tail: 6 } });
    });
  });

  describe('that expire', () => {
    it('are absent everywhere from that moment on, though nobody has removed them yet (C4)', async () => {
      const key = await logs.make({ lifetime: { expires_at: hours(1) }, body: Buffer.from('[1]') });
      await logs.append(key, [2]);
      await logs.age(key, 7_200);
      for (const process of [logs, other]) {
        await expect(process.head(key)).rejects.toEqual(code('stream_not_found'));
        await expect(process.reader.locate(key, '-1')).rejects.toEqual(code('stream_not_found'));
        await expect(process.lifecycle.delete(key)).rejects.toEqual(code('stream_not_found'));
        expect(await process.append(key, [3])).toMatchObject(refused('stream_not_found'));
      }
      await expect(logs.follow(key).ended).rejects.toEqual(code('stream_not_found'));
      const fork = { fork: { source_path: key.path, sub_offset: 0 }, content_type: undefined };
      await expect(create(newKey(key.project_id), fork)).rejects.toEqual(code('stream_not_found'));
    });

    it.each<[string, LogCreate['lifetime']]>([
      ['no second', { ttl_seconds: 0 }],
      ['a time in the past', { expires_at: hours(-1) }],
    ])('are made though %s is all they have to live, with content or without (C4)', async (_, lifetime) => {
      for (const rest of [{}, { body: Buffer.from('[1]') }, { closed: true }]) {
        const key = newKey();
        expect((await create(key, { lifetime, ...rest })).created).toBe(true);
        await expect(other.head(key)).rejects.toEqual(code('stream_not_found'));
        expect((await create(key, { lifetime, ...rest }, other)).created).toBe(true);
      }
    });

    it('make room for another log at their path (C4)', async () => {
      const key = await logs.make({ lifetime: { expires_at: hours(1) }, body: Buffer.from('[1]') });
      await logs.age(key, 7_200);
      expect((await create(key, { body: Buffer.from('[2]') })).created).toBe(true);
      expect(await other.read(key)).toEqual([2]);
    });

    it.each<[string, (key: LogKey) => Promise<unknown>]>([
      ['read', (key) => other.reader.locate(key, 'now')],
      ['appended to', (key) => other.append(key, [1])],
      ['polled', (key) => other.viewer.poll(key, '-1', 0, unlimited)],
    ])('when idle live on when they are %s (C5)', async (_, use) => {
      const key = await logs.make({ lifetime: { ttl_seconds: 100 }, body: Buffer.from('[1]') });
      for (let round = 0; round < 3; round++) {
        await logs.age(key, 90);
        await use(key);
      }
      await logs.age(key, 110);
      await expect(logs.head(key)).rejects.toEqual(code('stream_not_found'));
    });

    it('when idle are not used by a look at their head (C5)', async () => {
      const key = await logs.make({ lifetime: { ttl_seconds: 100 } });
      await logs.age(key, 90);
      await logs.head(key);
      await logs.age(key, 15);
      await expect(logs.head(key)).rejects.toEqual(code('stream_not_found'));
    });

    it('at a moment do so however much they are used (C4)', async () => {
      const key = await logs.make({ lifetime: { expires_at: hours(1) } });
      await logs.append(key, [1]);
      await logs.reader.locate(key, '-1');
      await logs.age(key, 3_600);
      await expect(logs.head(key)).rejects.toEqual(code('stream_not_found'));
    });
  });

  describe('that are forks', () => {
    const fork = (source: LogKey, rest: { offset?: string; sub_offset?: number } = {}, process = logs) =>
      process.make({ project_id: source.project_id, fork: { source_path: source.path, sub_offset: 0, ...rest } });

    it('read their source up to the fork and go on by themselves, with the same offsets (F1)', async () => {
      const source = await logs.make();
      await logs.append(source, upTo(6));
      const offset = await logs.offsetOf(source, 4);
      const branch = await fork(source, { offset });
      await Promise.all([logs.append(source, [6, 7]), other.append(branch, [40, 50])]);
      expect(await logs.read(branch)).toEqual([0, 1, 2, 3, 40, 50]);
      expect(await logs.read(source)).toEqual(upTo(8));
      expect(await other.read(branch, offset)).toEqual([40, 50]);
      expect(await other.read(branch, await logs.offsetOf(source, 2))).toEqual([2, 3, 40, 50]);
    });

    it.each([
      ['the end', {}, 5],
      ['the start', { offset: '-1' }, 0],
      ['the tail', { offset: 'now' }, 5],
      ['some messages after an offset', { offset: '-1', sub_offset: 3 }, 3],
    ])('begin at %s of their source (F1)', async (_, at, expected) => {
      const source = await logs.make();
      await logs.append(source, upTo(3));
      await logs.append(source, [3, 4]);
      const branch = await fork(source, at);
      expect((await logs.head(branch)).tail).toBe(expected);
      expect(await logs.read(branch)).toEqual(upTo(expected));
    });

    it('of bytes begin after any byte (F1)', async () => {
      const source = await logs.make({ content_type: 'text/plain', body: Buffer.from('one two') });
      const branch = await fork(source, { offset: '-1', sub_offset: 4 });
      await logs.log.append({ ...branch, messages: [Buffer.from('three')] });
      expect(await other.read<string>(branch)).toBe('one three');
    });

    it('keep the offsets of their source up to the fork, and have their own after it (F1)', async () => {
      const source = await logs.make();
      await logs.append(source, upTo(3));
      const branch = await fork(source);
      expect(await logs.offsetOf(branch, 3)).toBe(await logs.offsetOf(source, 3));
      await Promise.all([logs.append(source, upTo(6, 3)), logs.append(branch, [30, 40])]);
      const nested = await fork(branch);
      await logs.append(nested, [500]);
      for (const position of upTo(6)) {
        expect(await other.offsetOf(nested, position)).toBe(await logs.offsetOf(branch, position));
      }
      expect(await logs.offsetOf(branch, 4)).not.toBe(await logs.offsetOf(source, 4));
      await expect(logs.read(branch, await logs.offsetOf(source, 4))).rejects.toEqual(code('offset_gone'));
      await expect(logs.read(nested, await logs.offsetOf(source, 4))).rejects.toEqual(code('offset_gone'));
    });

    it.each([
      ['where it was', 3],
      ['earlier', 1],
      ['at the start', 0],
    ])('that are made again %s know no offset of the one before past the fork (C3)', async (_, at) => {
      const source = await logs.make();
      await logs.append(source, upTo(5));
      const branch = await fork(source, { offset: await logs.offsetOf(source, 3) });
      await logs.append(branch, [30, 40]);
      const stale = await Promise.all([3, 4, 5].map((position) => logs.offsetOf(branch, position)));
      await logs.lifecycle.delete(branch);
      const again = { source_path: source.path, offset: await logs.offsetOf(source, at), sub_offset: 0 };
      await logs.make({ ...branch, fork: again });
      await logs.append(branch, upTo(9, 5));
      if (at === 3) expect(await other.read(branch, stale.shift())).toEqual(upTo(9, 5));
      for (const offset of stale) {
        await expect(other.read(branch, offset)).rejects.toEqual(code('offset_gone'));
      }
      expect(await other.read(branch, again.offset)).toEqual(upTo(9, 5));
    });

    it('that were made before offsets told forks apart are read by those that were handed out then (F1)', async () => {
      const source = await logs.make();
      await logs.append(source, upTo(3));
      const branch = await fork(source);
      await logs.unitOfWork.query(
        `UPDATE log_streams SET generation = $3, lineage_generations = '{}' WHERE project_id = $1 AND path = $2`,
        [branch.project_id, branch.path, (await logs.head(source)).generation],
      );
      await logs.append(branch, [30, 40]);
      const handedOut = formatOffset({ generation: (await logs.head(source)).generation, position: 4 });
      expect(await logs.offsetOf(branch, 4)).toBe(handedOut);
      const nested = await fork(branch);
      await logs.append(nested, [500]);
      expect(await logs.read(branch, handedOut)).toEqual([40]);
      expect(await logs.read(nested, handedOut)).toEqual([40, 500]);
    });

    it('of forks read through every one before them (F2)', async () => {
      const source = await logs.make();
      await logs.append(source, upTo(10));
      const lines: { key: LogKey; holds: number[] }[] = [{ key: source, holds: upTo(10) }];
      for (const [depth, at] of [8, 9, 4, 4, 6, 0, 2].entries()) {
        const before = lines.at(-1)!;
        const key = await fork(before.key, { offset: '-1', sub_offset: at }, depth % 2 ? other : logs);
        const own = upTo(4).map((n) => (depth + 1) * 100 + n);
        await logs.append(key, own);
        lines.push({ key, holds: [...before.holds.slice(0, at), ...own] });
      }
      for (const { key, holds } of lines) {
        expect(await logs.read(key)).toEqual(holds);
        for (const position of holds.keys()) {
          expect(await other.read(key, await other.offsetOf(key, position))).toEqual(holds.slice(position));
        }
      }
    });

    it('are open and know no producer and no Stream-Seq of their source (F3)', async () => {
      const source = await logs.make();
      const producer = { id: 'w', epoch: 4, seq: 0 };
      await logs.append(source, [1], { producer, seq: 'z', close: true });
      const branch = await fork(source);
      const outcome = await logs.append(branch, [2], { producer: { ...producer, epoch: 0 }, seq: 'a' });
      expect(outcome).toMatchObject({ kind: 'appended', head: { closed: false, tail: 2 } });
      expect(await logs.append(source, [2])).toMatchObject(refused('stream_closed'));
    });

    const lifetimes: [string, LogCreate['lifetime'], LogCreate['lifetime'], object][] = [
      ['of its source by default', { ttl_seconds: 60 }, undefined, { ttl_seconds: 60 }],
      ['of its own', { ttl_seconds: 60 }, { ttl_seconds: 5 }, { ttl_seconds: 5 }],
      ['without end by default', undefined, undefined, { ttl_seconds: null, expires_at: null }],
    ];
    it.each(lifetimes)('have a lifetime %s (F3)', async (_, ofSource, asked, expected) => {
      const source = await logs.make({ lifetime: ofSource });
      const asFork = { project_id: source.project_id, fork: { source_path: source.path, sub_offset: 0 } };
      const branch = await logs.make({ ...asFork, lifetime: asked });
      expect(await logs.head(branch)).toMatchObject(expected);
    });

    it('end when their source ends where they are not told otherwise (F3)', async () => {
      const lifetime = { expires_at: hours(1) };
      const source = await logs.make({ lifetime });
      expect((await logs.head(await fork(source))).expires_at).toEqual(lifetime.expires_at);
    });

    it.each([
      ['beyond the tail', async (key: LogKey) => ({ offset: await logs.offsetOf(key, 6) }), 'offset_beyond_tail'],
      ['that is none', async () => ({ offset: 'abc' }), 'offset_malformed'],
      [
        'that with its sub-offset lies beyond the tail',
        async () => ({ offset: '-1', sub_offset: 6 }),
        'stream_create_invalid',
      ],
      ['of another log', async () => ({ offset: await logs.offsetOf(await logs.make(), 0) }), 'offset_beyond_tail'],
    ])('are refused at an offset %s, and are not there then (F1)', async (_, at, expected) => {
      const source = await logs.make();
      await logs.append(source, upTo(5));
      const key = newKey(source.project_id);
      const attempt = create(key, {
        content_type: undefined,
        fork: { source_path: source.path, sub_offset: 0, ...(await at(source)) },
      });
      await expect(attempt).rejects.toEqual(code(expected));
      await expect(logs.head(key)).rejects.toEqual(code('stream_not_found'));
    });

    it('are of the content type of their source, and refused with another one (F1)', async () => {
      const source = await logs.make({ content_type: 'text/plain' });
      const asFork = { fork: { source_path: source.path, sub_offset: 0 } };
      const attempt = create(newKey(source.project_id), asFork);
      await expect(attempt).rejects.toEqual(code('content_type_mismatch', { members: { expected: 'text/plain' } }));
      expect((await logs.head(await fork(source))).content_type).toBe('text/plain');
    });

    it('are made once, and found again also when the source has grown or was deleted (F4)', async () => {
      const source = await logs.make();
      await logs.append(source, upTo(3));
      const key = newKey(source.project_id);
      const asked = { content_type: undefined, fork: { source_path: source.path, offset: '-1', sub_offset: 2 } };
      expect((await create(key, asked)).created).toBe(true);
      await logs.append(source, [3]);
      expect((await create(key, asked, other)).created).toBe(false);
      await expect(create(key, { ...asked, fork: { ...asked.fork, sub_offset: 1 } })).rejects.toEqual(
        code('stream_exists', { members: { difference: 'fork offset' } }),
      );
      await logs.lifecycle.delete(source);
      expect((await create(key, asked)).created).toBe(false);
    });

    it('are made once by several at the same time in place of one that has expired (F4)', async () => {
      const source = await logs.make();
      await logs.append(source, upTo(3));
      const key = await fork(source);
      const again = { content_type: undefined, fork: { source_path: source.path, sub_offset: 0 } };
      for (let round = 0; round < 5; round++) {
        await logs.unitOfWork.query(
          `UPDATE log_streams SET expires_at = now() - interval '1 second' WHERE project_id = $1 AND path = $2`,
          [key.project_id, key.path],
        );
        const made = await Promise.all([logs, other, logs, other].map((process) => create(key, again, process)));
        expect(made.filter(({ created }) => created)).toHaveLength(1);
        expect(new Set(made.map(({ head }) => head.id)).size).toBe(1);
      }
      expect(await logs.read(key)).toEqual(upTo(3));
    });

    it('of an expired log at its own path meet the one that was made there while they waited (F4)', async () => {
      const source = await logs.make();
      const key = await logs.make({ project_id: source.project_id });
      await logs.append(key, upTo(3));
      const offset = await logs.offsetOf(key, 2);
      const set = (change: string) => `UPDATE log_streams SET ${change} WHERE project_id = $1 AND path = $2`;
      const row = [key.project_id, key.path];
      await logs.unitOfWork.query(set(`expires_at = now() - interval '1 second'`), row);

      const { opened: released, open: release } = gate();
      const { opened: held, open: hold } = gate();
      const holding = logs.unitOfWork.run(async (tx) => {
        await tx.query(set('path = path'), row);
        hold();
        await released;
      });
      await held;
      const asFork = (source_path: string, rest: object) =>
        create(key, { content_type: undefined, fork: { source_path, sub_offset: 0, ...rest } }, other);
      const waiting = async (count: number) => {
        const blocked = await logs.unitOfWork.queryOne<{ waiters: number }>(
          `SELECT count(*)::int AS waiters FROM pg_stat_activity
            WHERE datname = current_database() AND wait_event_type = 'Lock'`,
        );
        expect(blocked).toEqual({ waiters: count });
      };
      const first = asFork(source.path, {});
      await eventually(() => waiting(1));
      const second = asFork(key.path, { offset });
      const refusal = expect(second).rejects.toEqual(code('stream_exists'));
      await eventually(() => waiting(2));
      release();
      await holding;
      expect((await first).created).toBe(true);
      await refusal;
    });

    it('keep what they read when their source is deleted; it is gone for everybody else, and its path is taken (F5)', async () => {
      const source = await logs.make();
      await logs.append(source, upTo(4));
      const branch = await fork(source, { offset: '-1', sub_offset: 3 });
      await logs.lifecycle.delete(source);
      await logs.garbage.collect(unlimited);
      expect(await other.read(branch)).toEqual([0, 1, 2]);
      for (const process of [logs, other]) {
        await expect(process.head(source)).rejects.toEqual(code('stream_deleted'));
        await expect(process.lifecycle.delete(source)).rejects.toEqual(code('stream_deleted'));
        await expect(process.follow(source).ended).rejects.toEqual(code('stream_deleted'));
        expect(await process.append(source, [4])).toMatchObject(refused('stream_deleted'));
        await expect(create(source, {}, process)).rejects.toEqual(code('stream_path_blocked'));
        await expect(fork(source, {}, process)).rejects.toEqual(code('stream_path_blocked'));
      }
      await logs.append(branch, [9]);
      expect(await other.read(branch)).toEqual([0, 1, 2, 9]);
    });

    it('take what was kept for them alone along when the last of them is deleted, however far back (F5)', async () => {
      const source = await logs.make();
      await logs.append(source, [0]);
      const middle = await fork(source);
      await logs.append(middle, [1]);
      const [one, two] = [await fork(middle), await fork(middle)];
      await logs.lifecycle.delete(source);
      await logs.lifecycle.delete(middle);
      await logs.lifecycle.delete(one);
      await expect(logs.head(source)).rejects.toEqual(code('stream_deleted'));
      expect(await other.read(two)).toEqual([0, 1]);
      await other.lifecycle.delete(two);
      await expect(logs.head(source)).rejects.toEqual(code('stream_not_found'));
      await logs.garbage.collect(unlimited);
      expect(await logs.rows(source.project_id)).toEqual({ streams: 0, segments: 0, producers: 0 });
      expect((await create(source)).created).toBe(true);
    });

    it('leave a source alone that was not deleted (F5)', async () => {
      const source = await logs.make();
      await logs.append(source, [0]);
      await logs.lifecycle.delete(await fork(source));
      expect(await logs.read(source)).toEqual([0]);
    });

    it('keep what they read when their source expires (F5)', async () => {
      const source = await logs.make({ lifetime: { expires_at: hours(1) }, body: Buffer.from('[0, 1]') });
      const asFork = { project_id: source.project_id, fork: { source_path: source.path, sub_offset: 0 } };
      const branch = await logs.make({ ...asFork, lifetime: { ttl_seconds: 90_000 } });
      await logs.age(source, 7_200);
      expect(await other.read(branch)).toEqual([0, 1]);
      await logs.expired.sweep(unlimited);
      await logs.garbage.collect(unlimited);
      expect(await other.read(branch)).toEqual([0, 1]);
      await expect(create(source)).rejects.toEqual(code('stream_path_blocked'));
    });

    it('and the deletion of their source, both at once: either there is no fork, or it can be read (F5)', async () => {
      for (let round = 0; round < 10; round++) {
        const source = await logs.make();
        await logs.append(source, [0, 1]);
        const [made, deleted] = await Promise.allSettled([fork(source, {}, other), logs.lifecycle.delete(source)]);
        expect(deleted.status).toBe('fulfilled');
        if (made.status === 'fulfilled') expect(await logs.read(made.value)).toEqual([0, 1]);
        else expect(made.reason).toEqual(code(expect.stringMatching(/^stream_(not_found|path_blocked)$/) as never));
      }
    });
  });
});
