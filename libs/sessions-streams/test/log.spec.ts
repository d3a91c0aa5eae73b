import { sessionLogKey } from '../src/log/log.service.js';
import { events, fact, startStreams, TURN, type Streams } from './streams-fixture.js';

const unlimited = new AbortController().signal;

describe('the log', () => {
  let streams: Streams;
  beforeAll(async () => {
    streams = await startStreams();
  });
  afterAll(() => streams.stop());

  const texts = async (session: Parameters<Streams['events']>[0]) =>
    (await streams.events(session))
      .filter(({ type }) => type === 'agent.update')
      .map(({ data }) => (data as { n: number }).n);

  it('keeps what a runner appends, in order, once it is acknowledged', async () => {
    const session = await streams.openForEpoch(1);
    const first = await streams.log.appendAsRunner(session, events({ n: 1 }, { n: 2 }), {
      epoch: 1,
      seq: 0,
    });
    const second = await streams.log.appendAsRunner(session, events({ n: 3 }), { epoch: 1, seq: 1 });
    expect([first, second]).toEqual([
      { kind: 'appended', generation: 1, tail: 4 },
      { kind: 'appended', generation: 1, tail: 5 },
    ]);
    expect(await texts(session)).toEqual([1, 2, 3]);
  });

  it('answers a retry like the first call and doubles nothing (L1)', async () => {
    const session = await streams.openForEpoch(1);
    await streams.log.appendAsRunner(session, events({ n: 1 }), { epoch: 1, seq: 0 });
    await streams.log.appendAsRunner(session, events({ n: 2 }), { epoch: 1, seq: 1 });
    const retry = await streams.log.appendAsRunner(session, events({ n: 1 }), { epoch: 1, seq: 0 });
    expect(retry).toEqual({ kind: 'duplicate', generation: 1, tail: 4, seq: 1 });
    expect(await texts(session)).toEqual([1, 2]);
  });

  it('doubles nothing when the same append is sent many times at once, from two processes (L1)', async () => {
    const other = await startStreams({ url: streams.url });
    const session = await streams.openForEpoch(1);
    const outcomes = await Promise.all(
      Array.from({ length: 20 }, (_, index) =>
        (index % 2 ? other : streams).log.appendAsRunner(session, events({ n: 1 }), { epoch: 1, seq: 0 }),
      ),
    );
    expect(outcomes.filter(({ kind }) => kind === 'appended')).toHaveLength(1);
    expect(outcomes.filter(({ kind }) => kind === 'duplicate')).toHaveLength(19);
    expect(await texts(session)).toEqual([1]);
    await other.stop();
  });

  it('refuses a sequence with a gap and says which was expected (L1)', async () => {
    const session = await streams.openForEpoch(1);
    const outcome = await streams.log.appendAsRunner(session, events({ n: 1 }), { epoch: 1, seq: 2 });
    expect(outcome).toMatchObject({
      kind: 'refused',
      error: { code: 'producer_sequence_gap', members: { expected_seq: 0, received_seq: 2 } },
    });
  });

  it.each([
    ['lower', 4],
    ['higher', 6],
  ])('refuses an epoch that is %s than the fence (L2)', async (_, epoch) => {
    const session = await streams.openForEpoch(5);
    const outcome = await streams.log.appendAsRunner(session, events({ n: 1 }), { epoch, seq: 0 });
    expect(outcome).toMatchObject({ kind: 'refused', error: { code: 'stale_epoch', members: { current_epoch: 5 } } });
    expect(await texts(session)).toEqual([]);
  });

  it('refuses everybody once the right to append was withdrawn (L2)', async () => {
    const session = await streams.openForEpoch(1);
    await streams.unitOfWork.run(async (tx) =>
      streams.log.appendWithin(tx, session, fact('turn.completed'), { writer: null }),
    );
    const late = await streams.log.appendAsRunner(session, events({ n: 1 }), { epoch: 1, seq: 0 });
    expect(late).toMatchObject({ kind: 'refused', error: { code: 'stale_epoch' } });
  });

  it('a fact of a transaction that is rolled back is not in the log (L3)', async () => {
    const session = await streams.openSession();
    await expect(
      streams.unitOfWork.run(async (tx) => {
        streams.log.appendWithin(tx, session, fact('session.renamed'));
        throw new Error('changed its mind');
      }),
    ).rejects.toThrow('changed its mind');
    expect((await streams.events(session)).map(({ type }) => type)).toEqual(['session.created']);
  });

  it('facts and appends of many writers interleave without a loss, each in its own order (L4)', async () => {
    const session = await streams.openForEpoch(1);
    const runner = (async () => {
      for (let seq = 0; seq < 30; seq++) {
        const outcome = await streams.log.appendAsRunner(session, events({ n: seq }), { epoch: 1, seq });
        expect(outcome.kind).toBe('appended');
      }
    })();
    const facts = Promise.all(
      Array.from({ length: 30 }, (_, n) =>
        streams.unitOfWork.run(async (tx) => streams.log.appendWithin(tx, session, fact('session.noted', { n }))),
      ),
    );
    await Promise.all([runner, facts]);
    expect(await texts(session)).toEqual(Array.from({ length: 30 }, (_, n) => n));
    const noted = (await streams.events(session)).filter(({ type }) => type === 'session.noted');
    expect(new Set(noted.map(({ data }) => (data as { n: number }).n)).size).toBe(30);
  });

  it('a transaction that holds one log does not stall the appends of another (L5)', async () => {
    const [held, free] = [await streams.openForEpoch(1), await streams.openForEpoch(1)];
    let release!: () => void;
    const blocked = new Promise<void>((resolve) => (release = resolve));
    let holds!: () => void;
    const holding = new Promise<void>((resolve) => (holds = resolve));
    const slow = streams.unitOfWork.run(async (tx) => {
      await tx.query('SELECT 1 FROM log_streams WHERE project_id = $1 FOR UPDATE', [held.project_id]);
      holds();
      await blocked;
    });
    await holding;

    const waiting = streams.log.appendAsRunner(held, events({ n: 1 }), { epoch: 1, seq: 0 });
    const outcome = await streams.log.appendAsRunner(free, events({ n: 2 }), { epoch: 1, seq: 0 });
    expect(outcome.kind).toBe('appended');
    release();
    await slow;
    expect((await waiting).kind).toBe('appended');
  });

  it('a log that stays held holds up nobody else, however much waits for it (L5)', async () => {
    const [held, free] = [await streams.openForEpoch(1), await streams.openForEpoch(1)];
    let release!: () => void;
    const blocked = new Promise<void>((resolve) => (release = resolve));
    let holds!: () => void;
    const holding = new Promise<void>((resolve) => (holds = resolve));
    const slow = streams.unitOfWork.run(async (tx) => {
      await tx.query('SELECT 1 FROM log_streams WHERE project_id = $1 FOR UPDATE', [held.project_id]);
      holds();
      await blocked;
    });
    await holding;

    const pad = 'x'.repeat(900_000);
    const waiting = Array.from({ length: 8 }, (_, seq) =>
      streams.log.appendAsRunner(held, events({ n: seq, pad }), { epoch: 1, seq }),
    );
    for (let seq = 0; seq < 5; seq++) {
      const outcome = await streams.log.appendAsRunner(free, events({ n: seq }), { epoch: 1, seq });
      expect(outcome.kind).toBe('appended');
    }
    release();
    await slow;
    for (const outcome of await Promise.all(waiting)) expect(outcome.kind).toBe('appended');
    expect(await texts(held)).toEqual([0, 1, 2, 3, 4, 5, 6, 7]);
  });

  it('refuses events of another turn than the one that owns the epoch (L2)', async () => {
    const session = await streams.openForEpoch(1);
    const foreign = { ...events({ n: 1 }), turn_id: TURN.replace('0', '1') };
    const outcome = await streams.log.appendAsRunner(session, foreign, { epoch: 1, seq: 0 });
    expect(outcome).toMatchObject({ kind: 'refused', error: { code: 'turn_mismatch' } });
  });

  it('a fact that is too large for a message is refused with its transaction', async () => {
    const session = await streams.openSession();
    const large = streams.unitOfWork.run(async (tx) =>
      streams.log.appendWithin(tx, session, fact('session.noted', { pad: 'x'.repeat(1024 * 1024) })),
    );
    await expect(large).rejects.toMatchObject({ code: 'message_too_large' });
  });

  it('an append to a session that does not exist is refused', async () => {
    const session = { ...(await streams.openSession()), session_id: 'nobody' };
    const outcome = await streams.log.appendAsRunner(session, events({}), { epoch: 1, seq: 0 });
    expect(outcome).toMatchObject({ kind: 'refused', error: { code: 'stream_not_found' } });
  });

  it("another project's session of the same name is another log", async () => {
    const session = await streams.openForEpoch(1);
    const foreign = { ...(await streams.openSession()), session_id: session.session_id };
    const outcome = await streams.log.appendAsRunner(foreign, events({}), { epoch: 1, seq: 0 });
    expect(outcome).toMatchObject({ kind: 'refused', error: { code: 'stream_not_found' } });
  });

  describe('read', () => {
    it('from any position gives exactly what follows it', async () => {
      const session = await streams.openForEpoch(1);
      for (let seq = 0; seq < 4; seq++) {
        const data = Array.from({ length: seq + 1 }, (_, n) => ({ n: seq * 10 + n, pad: 'ä'.repeat(n) }));
        await streams.log.appendAsRunner(session, events(...data), { epoch: 1, seq });
      }
      const all = await streams.events(session);
      const head = await streams.reader.head(sessionLogKey(session));
      for (let position = 0; position <= head.tail; position++) {
        const page = await streams.reader.page(head, position);
        expect(JSON.parse(`[${page.body.toString()}]`)).toEqual(all.slice(position));
        expect(page).toMatchObject({ from: position, next: head.tail, upToDate: true });
      }
    });

    it('an append of many megabytes is read in pages as well', async () => {
      const session = await streams.openForEpoch(1);
      const data = Array.from({ length: 6 }, (_, n) => ({ n, pad: 'x'.repeat(700_000) }));
      await streams.log.appendAsRunner(session, events(...data), { epoch: 1, seq: 0 });
      const page = await streams.reader.page(await streams.reader.head(sessionLogKey(session)), 0);
      expect(page.body.length).toBeLessThan(2 * 1024 * 1024);
      expect(await texts(session)).toEqual([0, 1, 2, 3, 4, 5]);
    });

    it('comes in pages of about 1 MiB that join without a gap', async () => {
      const session = await streams.openForEpoch(1);
      for (let seq = 0; seq < 6; seq++) {
        await streams.log.appendAsRunner(session, events({ n: seq, pad: 'x'.repeat(400_000) }), { epoch: 1, seq });
      }
      const head = await streams.reader.head(sessionLogKey(session));
      const page = await streams.reader.page(head, 0);
      expect(page.upToDate).toBe(false);
      expect(page.body.length).toBeLessThan(2 * 1024 * 1024);
      expect(await texts(session)).toEqual([0, 1, 2, 3, 4, 5]);
    });
  });

  describe('followed by a viewer', () => {
    it('gives what is there and then what comes, each once, whichever process wrote it', async () => {
      const other = await startStreams({ url: streams.url });
      const session = await streams.openForEpoch(1);
      await streams.log.appendAsRunner(session, events({ n: 0 }), { epoch: 1, seq: 0 });

      const leave = new AbortController();
      const seen: number[] = [];
      const frames: string[] = [];
      const following = other.viewer.follow(
        sessionLogKey(session),
        '-1',
        { cursor: undefined, lifetimeMs: 20_000, signal: leave.signal },
        () => ({
          write: async (frame) => {
            frames.push(String(frame));
            const data = /data: (\[.*\])\n\nevent: control/.exec(String(frame));
            for (const event of data ? (JSON.parse(data[1]!) as { type: string; data: { n: number } }[]) : []) {
              if (event.type === 'agent.update') seen.push(event.data.n);
            }
            if (seen.length === 20) leave.abort();
          },
        }),
      );
      for (let seq = 1; seq < 20; seq++) {
        await streams.log.appendAsRunner(session, events({ n: seq }), { epoch: 1, seq });
      }
      await following;
      expect(seen).toEqual(Array.from({ length: 20 }, (_, n) => n));
      expect(frames.every((frame) => /event: control\ndata: \{"streamNextOffset":"0{15}1_\d{16}"/.test(frame))).toBe(
        true,
      );
      await other.stop();
    });

    it('a long-poll at the tail answers as soon as something comes', async () => {
      const session = await streams.openForEpoch(1);
      const polling = streams.viewer.poll(sessionLogKey(session), 'now', 20_000, unlimited);
      await streams.log.appendAsRunner(session, events({ n: 7 }), { epoch: 1, seq: 0 });
      const page = await polling;
      expect(JSON.parse(page.body.toString())).toMatchObject({ data: { n: 7 } });
    });

    it('a viewer that leaves is let go at once', async () => {
      const session = await streams.openSession();
      const leave = new AbortController();
      const polling = streams.viewer.poll(sessionLogKey(session), 'now', 600_000, leave.signal);
      leave.abort();
      expect((await polling).body).toHaveLength(0);
    });
  });
});
