import { events, fact, startStreams, TURN, type Streams } from './streams-fixture.js';

describe('the log of a session', () => {
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
    expect([first, second]).toMatchObject([
      { kind: 'appended', head: { generation: 1, tail: 4 } },
      { kind: 'appended', head: { generation: 1, tail: 5 } },
    ]);
    expect(await texts(session)).toEqual([1, 2, 3]);
  });

  it('answers a retry like the first call and doubles nothing (L1)', async () => {
    const session = await streams.openForEpoch(1);
    await streams.log.appendAsRunner(session, events({ n: 1 }), { epoch: 1, seq: 0 });
    await streams.log.appendAsRunner(session, events({ n: 2 }), { epoch: 1, seq: 1 });
    const retry = await streams.log.appendAsRunner(session, events({ n: 1 }), { epoch: 1, seq: 0 });
    expect(retry).toMatchObject({ kind: 'duplicate', head: { generation: 1, tail: 4 }, seq: 1 });
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
    await streams.log.appendAsRunner(session, events({ n: 0 }), { epoch: 1, seq: 0 });
    await streams.unitOfWork.run(async (tx) =>
      streams.log.appendWithin(tx, session, fact('turn.completed'), { writer: null }),
    );
    const late = await streams.log.appendAsRunner(session, events({ n: 1 }), { epoch: 1, seq: 1 });
    expect(late).toMatchObject({
      kind: 'refused',
      error: {
        code: 'stale_epoch',
        message: expect.stringMatching(/^The turn that epoch 1 of session "\S+" was for is over\./) as string,
      },
    });
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
});
