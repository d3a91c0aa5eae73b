import { isDomainError } from '@holdfast/platform-errors';
import type { AppendOutcome, LogKey, Producer } from '../src/index.js';
import { betweenAllSteps, gate, refused, startLogs, upTo, type Logs } from './logs-fixture.js';

const producer = (seq: number, epoch = 0, id = 'writer'): { producer: Producer } => ({ producer: { id, epoch, seq } });
const tailOf = (outcome: AppendOutcome) => (outcome.kind === 'refused' ? undefined : outcome.head.tail);

describe('appends', () => {
  let logs: Logs;
  let other: Logs;
  beforeAll(async () => {
    logs = await startLogs();
    other = await startLogs({ url: logs.url });
  });
  afterEach(() => jest.restoreAllMocks());
  afterAll(async () => {
    await other.stop();
    await logs.stop();
  });

  /** A log that both processes have appended to, so that one of them remembers it as it no longer is. */
  const makeKnown = async (): Promise<LogKey> => {
    const key = await logs.make();
    await logs.append(key, [0]);
    await other.append(key, [1]);
    return key;
  };

  describe('committed in groups', () => {
    it('are in their logs in the order in which they came, each acknowledged with the offset after it (A1)', async () => {
      const keys = await Promise.all(upTo(5).map(() => logs.make()));
      const outcomes = await Promise.all(upTo(200).map((n) => logs.append(keys[n % 5]!, [n])));
      expect(outcomes.map(tailOf)).toEqual(upTo(200).map((n) => Math.floor(n / 5) + 1));
      for (const [index, key] of keys.entries()) {
        expect(await other.read(key)).toEqual(upTo(200).filter((n) => n % 5 === index));
      }
    });

    it('keep their order when they are too large for one group, and small ones come after them (A1)', async () => {
      const key = await logs.make({ content_type: 'text/plain' });
      const sizes = [2_000_000, 3_000_000, 10, 3_000_000, 10];
      const bodies = sizes.map((size, index) => Buffer.alloc(size, String(index)));
      const appends = bodies.map((body) => logs.log.append({ ...key, messages: [body] }));
      const ends = (await Promise.all(appends)).map(tailOf);
      expect(ends).toEqual(sizes.map((_, index) => sizes.slice(0, index + 1).reduce((sum, size) => sum + size)));
      expect(await other.read<string>(key)).toBe(Buffer.concat(bodies).toString());
    });

    it('of a log that somebody holds wait for it in their order, and hold up no other log (A2)', async () => {
      const [held, free] = [await logs.make(), await logs.make()];
      const holder = await other.hold(held);
      const waiting = upTo(8).map((n) => logs.append(held, [n]));
      for (const n of upTo(5)) expect(await logs.append(free, [n])).toMatchObject({ kind: 'appended' });
      await holder.release();
      expect((await Promise.all(waiting)).map(tailOf)).toEqual(upTo(9, 1));
      expect(await logs.read(held)).toEqual(upTo(8));
    });

    it('are judged by what the holder of their log leaves (A3)', async () => {
      const key = await logs.make();
      await logs.append(key, [0]);
      const holder = await other.hold(key, async (tx) => other.log.write(tx, [{ ...key, messages: [], close: true }]));
      const late = logs.append(key, [1]);
      await holder.release();
      expect(await late).toMatchObject(refused('stream_closed'));
      expect(await logs.read(key)).toEqual([0]);
    });

    it('give up when their log stays held for 5 s, and leave nothing (A2)', async () => {
      const key = await logs.make();
      const holder = await other.hold(key);
      const waiting = logs.append(key, [1]);
      const started = Date.now();
      jest.spyOn(Date, 'now').mockImplementation(() => started + 6_000);
      expect(await waiting).toMatchObject(refused('log_unavailable'));
      jest.restoreAllMocks();
      await holder.release();
      expect(await logs.read(key)).toEqual([]);
      expect(await logs.append(key, [2])).toMatchObject({ kind: 'appended' });
    });

    it('are refused while 64 MiB wait, and taken again afterwards (A2)', async () => {
      const key = await logs.make({ content_type: 'text/plain' });
      const holder = await other.hold(key, async (tx) =>
        tx.query(`DELETE FROM log_streams WHERE project_id = $1`, [key.project_id]),
      );
      const body = Buffer.alloc(16 * 1024 * 1024);
      const waiting = upTo(4).map(() => logs.log.append({ ...key, messages: [body] }));
      const limit = { limit_bytes: 64 * 1024 * 1024 };
      const oneMore = async () => logs.log.append({ ...key, messages: [Buffer.from('x')] });
      await expect(oneMore()).rejects.toMatchObject({ code: 'append_backlog_full', members: limit });
      await holder.release();
      for (const outcome of await Promise.all(waiting)) expect(outcome).toMatchObject(refused('stream_not_found'));
      expect(await oneMore()).toMatchObject(refused('stream_not_found'));
    });
  });

  describe('through two processes', () => {
    it('find what the other one wrote: nothing is refused because of what one remembers (A3)', async () => {
      const key = await logs.make();
      for (const n of upTo(12)) {
        const process = n % 3 === 0 ? logs : other;
        expect(await process.append(key, [n], producer(n))).toMatchObject({ kind: 'appended', head: { tail: n + 1 } });
      }
      expect(await logs.read(key)).toEqual(upTo(12));
    });

    it('are none lost, none doubled and none reordered, however many come at once (A1)', async () => {
      const key = await logs.make();
      const write = async (process: Logs, first: number) => {
        const outcomes = await Promise.all(upTo(first + 100, first).map((n) => process.append(key, [n])));
        return outcomes.map(tailOf);
      };
      const ends = await Promise.all([write(logs, 0), write(other, 1000)]);
      const all = await logs.read(key);
      const expected = new Map([...upTo(100), ...upTo(1100, 1000)].map((n, index) => [n, ends.flat()[index]! - 1]));
      expect(all.map((n) => expected.get(n))).toEqual(upTo(200));
      for (const tails of ends) expect(tails).toEqual([...tails].sort((a, b) => a! - b!));
    });

    it('are refused by a log that the other one closed (A3)', async () => {
      const key = await makeKnown();
      await other.append(key, [2], { close: true });
      expect(await logs.append(key, [3])).toMatchObject(refused('stream_closed'));
    });

    it('find no log that the other one deleted (A3)', async () => {
      const key = await makeKnown();
      await other.lifecycle.delete(key);
      expect(await logs.append(key, [3])).toMatchObject(refused('stream_not_found'));
    });

    it('go to the log that the other one made in place of it, by its own rules (A3)', async () => {
      const key = await logs.make();
      await logs.append(key, [0], { ...producer(0, 7), seq: 'z', close: true });
      await other.lifecycle.delete(key);
      await other.make({ ...key, content_type: 'text/plain' });
      const outcome = await logs.append(key, [5], { ...producer(0), seq: 'a', content_type: 'text/plain' });
      expect(outcome).toMatchObject({ kind: 'appended', head: { tail: 1, content_type: 'text/plain' } });
      expect(await other.read<string>(key)).toBe('5');
    });

    it('find a log that was made after one looked for it in vain (A3)', async () => {
      const key = { project_id: (await logs.make()).project_id, path: 'later' };
      expect(await logs.append(key, [0])).toMatchObject(refused('stream_not_found'));
      await other.make(key);
      expect(await logs.append(key, [0])).toMatchObject({ kind: 'appended' });
    });
  });

  describe('of an idempotent producer', () => {
    it('are written once, however often and through whichever process they are sent at once (A4)', async () => {
      const key = await logs.make();
      const sent = upTo(20).map((n) => (n % 2 ? other : logs).append(key, [7], producer(0)));
      const outcomes = await Promise.all(sent);
      expect(outcomes.filter(({ kind }) => kind === 'appended')).toHaveLength(1);
      expect(outcomes.filter(({ kind }) => kind === 'duplicate')).toHaveLength(19);
      for (const outcome of outcomes) expect(tailOf(outcome)).toBe(1);
      expect(await logs.read(key)).toEqual([7]);
    });

    it('are acknowledged with an offset that lies after them, whenever another process wrote them first (A4)', async () => {
      const steps = await betweenAllSteps(logs, async () => {
        const key = await other.make();
        await other.append(key, [0], producer(0));
        const send = (process: Logs) => process.append(key, [1], { ...producer(1), close: true });
        return {
          interfere: () => send(other),
          work: async () => {
            expect(await send(logs)).toMatchObject({ head: { tail: 2, closed: true } });
            expect(await logs.read(key)).toEqual([0, 1]);
          },
        };
      });
      expect(steps).toBeGreaterThan(1);
    });

    it('are written once when the answer to the first attempt was lost (A4)', async () => {
      const key = await logs.make();
      const statement = logs.unitOfWork.statement.bind(logs.unitOfWork);
      const spy = jest.spyOn(logs.unitOfWork, 'statement').mockImplementation(async (prepared) => {
        const rows = await statement(prepared);
        if (prepared.text.includes('INSERT INTO log_segments')) throw new Error('the connection was lost');
        return rows as never;
      });
      expect(await logs.append(key, [1], producer(0))).toMatchObject(refused('log_unavailable'));
      spy.mockRestore();
      expect(await logs.append(key, [1], producer(0))).toMatchObject({ kind: 'duplicate', head: { tail: 1 }, seq: 0 });
      expect(await logs.append(key, [2], producer(1))).toMatchObject({ kind: 'appended', head: { tail: 2 } });
      expect(await logs.read(key)).toEqual([1, 2]);
    });

    it('are all written in one group when they are sent without waiting for answers (A4)', async () => {
      const key = await logs.make();
      const outcomes = await Promise.all(upTo(50).map((n) => logs.append(key, [n], producer(n))));
      expect(outcomes.map(tailOf)).toEqual(upTo(51, 1));
      const again = await Promise.all(upTo(50).map((n) => other.append(key, [n], producer(n))));
      for (const outcome of again) expect(outcome).toMatchObject({ kind: 'duplicate', seq: 49, head: { tail: 50 } });
    });

    it('are refused with a gap, which names what was expected, and go on where it was (A4)', async () => {
      const key = await logs.make();
      await logs.append(key, [0], producer(0));
      const gap = refused('producer_sequence_gap', { expected_seq: 1, received_seq: 2 });
      expect(await other.append(key, [2], producer(2))).toMatchObject(gap);
      expect(await logs.append(key, [1], producer(1))).toMatchObject({ kind: 'appended' });
    });

    it('are refused once another one has taken over with the next epoch (A4)', async () => {
      const key = await logs.make();
      await logs.append(key, [0], producer(0));
      expect(await other.append(key, [1], producer(0, 1))).toMatchObject({ kind: 'appended' });
      const zombie = await logs.append(key, [9], producer(1, 0));
      expect(zombie).toMatchObject(refused('producer_epoch_stale', { current_epoch: 1 }));
      expect(await logs.append(key, [9], producer(1, 2))).toMatchObject(refused('producer_epoch_must_start_at_zero'));
      // As a client claims it that was told so.
      expect(await logs.append(key, [2], producer(0, 2))).toMatchObject({ kind: 'appended' });
      expect(await logs.read(key)).toEqual([0, 1, 2]);
    });

    it('are judged apart from those of others, by log and by id, however many there are (A4)', async () => {
      const [key, second] = [await logs.make(), await logs.make()];
      const ids = upTo(1_100).map((n) => `writer-${n}`);
      for (const round of [0, 1]) {
        const outcomes = await Promise.all(ids.map((id, n) => logs.append(key, [n], producer(round, 0, id))));
        for (const outcome of outcomes) expect(outcome.kind).toBe('appended');
      }
      const again = await Promise.all(ids.map((id, n) => logs.append(key, [n], producer(1, 0, id))));
      for (const outcome of again) expect(outcome.kind).toBe('duplicate');
      expect(await logs.append(second, [0], producer(0, 0, ids[0]))).toMatchObject({ kind: 'appended' });
      expect(await logs.read(key)).toEqual([...upTo(1_100), ...upTo(1_100)]);
    });
  });

  describe('with a Stream-Seq', () => {
    it('are taken while it grows byte by byte, through whichever process (A5)', async () => {
      const key = await logs.make();
      const send = (process: Logs, seq: string) => process.append(key, [0], { seq });
      expect(await send(logs, '10')).toMatchObject({ kind: 'appended' });
      expect(await send(other, '9')).toMatchObject({ kind: 'appended' });
      expect(await send(logs, '9')).toMatchObject(refused('stream_seq_stale', { last_seq: '9' }));
      expect(await send(logs, '10')).toMatchObject(refused('stream_seq_stale', { last_seq: '9' }));
      expect(await send(other, '9a')).toMatchObject({ kind: 'appended' });
      expect(await logs.append(key, [0])).toMatchObject({ kind: 'appended' });
      expect(await send(logs, '9B')).toMatchObject(refused('stream_seq_stale', { last_seq: '9a' }));
    });
  });

  describe('that close', () => {
    it('are the last: what comes later is refused and told where the log ends (A6)', async () => {
      const key = await logs.make();
      const closing = await logs.append(key, [1], { close: true });
      expect(closing).toMatchObject({ kind: 'appended', head: { closed: true, tail: 1 } });
      const next_offset = await logs.offsetOf(key, 1);
      for (const process of [logs, other]) {
        expect(await process.append(key, [2])).toMatchObject(refused('stream_closed', { next_offset }));
        expect(await process.append(key, [2], { close: true })).toMatchObject(refused('stream_closed'));
        expect(await process.append(key, [], { close: true })).toMatchObject({ kind: 'duplicate' });
      }
      expect(await logs.read(key)).toEqual([1]);
    });

    it('are answered alike when they are retried with the same producer, epoch and sequence, and only then (A6)', async () => {
      const key = await logs.make();
      await logs.append(key, [1], producer(0));
      await logs.append(key, [2], { ...producer(1), close: true });
      for (const process of [logs, other]) {
        const retry = await process.append(key, [2], { ...producer(1), close: true });
        expect(retry).toMatchObject({ kind: 'duplicate', seq: 1, head: { closed: true, tail: 2 } });
        expect(await process.append(key, [1], producer(0))).toMatchObject({ kind: 'duplicate' });
        for (const rest of [producer(2), producer(0, 1), producer(0, 0, 'another')]) {
          expect(await process.append(key, [3], { ...rest, close: true })).toMatchObject(refused('stream_closed'));
          expect(await process.append(key, [], { ...rest, close: true })).toMatchObject(refused('stream_closed'));
        }
      }
      expect(await logs.read(key)).toEqual([1, 2]);
    });

    it('let nothing of their own group come after them (A6)', async () => {
      const key = await logs.make();
      const outcomes = await Promise.all([
        logs.append(key, [1]),
        logs.append(key, [2], { close: true }),
        logs.append(key, [3]),
        logs.append(key, [], { close: true }),
      ]);
      expect(outcomes.map(({ kind }) => kind)).toEqual(['appended', 'appended', 'refused', 'duplicate']);
      expect(await logs.read(key)).toEqual([1, 2]);
    });
  });

  describe('of another content type than the log', () => {
    it.each([
      ['text/plain', 'application/json'],
      ['application/json', 'text/plain'],
      ['text/plain', 'text/html'],
    ])('are refused and told which it is: a log of %s takes no %s (A7)', async (content_type, sent) => {
      const key = await logs.make({ content_type });
      const mismatch = refused('content_type_mismatch', { expected: content_type });
      expect(await logs.append(key, [1], { content_type: sent })).toMatchObject(mismatch);
      expect((await logs.head(key)).tail).toBe(0);
    });

    it('by its parameters or case alone are taken (A7)', async () => {
      const key = await logs.make({ content_type: 'text/plain; charset=utf-8' });
      expect(await logs.append(key, [1], { content_type: 'TEXT/Plain' })).toMatchObject({ kind: 'appended' });
    });
  });

  describe('within a transaction', () => {
    const within = (process: Logs, key: LogKey, n: number, rest = {}) =>
      process.unitOfWork.run(async (tx) =>
        process.log.appendWithin(tx, { ...key, messages: [Buffer.from(String(n))], ...rest }),
      );

    it('are in the log exactly when it commits (A8)', async () => {
      const key = await logs.make();
      await within(logs, key, 1);
      const failing = logs.unitOfWork.run(async (tx) => {
        logs.log.appendWithin(tx, { ...key, messages: [Buffer.from('2')] });
        throw new Error('changed its mind');
      });
      await expect(failing).rejects.toThrow('changed its mind');
      expect(await logs.read(key)).toEqual([1]);
    });

    it('fail it whole where one of them is refused (A8)', async () => {
      const [key, closed] = [await logs.make(), await logs.make({ closed: true })];
      const failing = logs.unitOfWork.run(async (tx) => {
        logs.log.appendWithin(tx, { ...key, messages: [Buffer.from('1')] });
        logs.log.appendWithin(tx, { ...closed, messages: [Buffer.from('1')] });
      });
      await expect(failing).rejects.toMatchObject({ code: 'stream_closed' });
      expect(await logs.read(key)).toEqual([]);
    });

    it('and those in groups, of one log through two processes, are none lost and each in its order (A8)', async () => {
      const key = await logs.make();
      const inGroups = async (process: Logs, first: number) => {
        for (const n of upTo(first + 30, first)) expect((await process.append(key, [n])).kind).toBe('appended');
      };
      const facts = async (process: Logs, first: number) => {
        for (const n of upTo(first + 30, first)) await within(process, key, n);
      };
      await Promise.all([inGroups(logs, 0), inGroups(other, 100), facts(logs, 200), facts(other, 300)]);
      const all = await logs.read(key);
      for (const first of [0, 100, 200, 300]) {
        expect(all.filter((n) => n >= first && n < first + 100)).toEqual(upTo(first + 30, first));
      }
    });

    it('judge a retry like all others: what was written in a group is not written again (A8)', async () => {
      const key = await logs.make();
      await logs.append(key, [1], producer(0));
      await within(logs, key, 1, producer(0));
      await within(other, key, 2, producer(1));
      expect(await logs.append(key, [2], producer(1))).toMatchObject({ kind: 'duplicate' });
      expect(await logs.read(key)).toEqual([1, 2]);
    });

    it('hold up no other log while it waits for its commit (A2)', async () => {
      const [key, free] = [await logs.make(), await logs.make()];
      const [written, released] = [gate(), gate()];
      const slow = logs.unitOfWork.run(async (tx) => {
        await logs.log.write(tx, [{ ...key, messages: [Buffer.from('1')] }]);
        written.open();
        await released.opened;
      });
      await written.opened;
      const waiting = logs.append(key, [2]);
      expect(await logs.append(free, [0])).toMatchObject({ kind: 'appended' });
      released.open();
      await slow;
      expect(await waiting).toMatchObject({ kind: 'appended', head: { tail: 2 } });
      expect(await other.read(key)).toEqual([1, 2]);
    });
  });

  it('to a log that is not there, or of another project, are refused with stream_not_found', async () => {
    const key = await logs.make();
    const stranger = { ...key, project_id: (await logs.make()).project_id };
    expect(await logs.append(stranger, [1])).toMatchObject(refused('stream_not_found'));
    const outcome = await logs.append(stranger, [1], { producer: { id: 'w', epoch: 0, seq: 5 }, seq: 'a' });
    expect(outcome.kind === 'refused' && isDomainError(outcome.error)).toBe(true);
    expect(await logs.read(key)).toEqual([]);
  });
});
