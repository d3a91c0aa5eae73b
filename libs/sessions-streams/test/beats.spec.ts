import { randomUUID } from 'node:crypto';
import { beatOf, fenceOf, leaseScenario, stopTheClock, unlimited, type LeaseScenario } from './lease-scenario.js';
import { startStreams, type Streams } from './streams-fixture.js';

describe('beats', () => {
  let streams: Streams;
  let scenario: LeaseScenario;
  beforeAll(async () => {
    streams = await startStreams();
    scenario = leaseScenario(streams);
  });
  afterAll(() => streams.stop());
  afterEach(() => {
    jest.useRealTimers();
    jest.restoreAllMocks();
  });

  const complete = (claimed: Parameters<typeof fenceOf>[0]) =>
    streams.unitOfWork.run(async (tx) => {
      const { turn } = await streams.turns.lockForEnd(tx, fenceOf(claimed));
      return streams.turns.end(tx, turn, { status: 'completed', stop_reason: null, usage: null, error: null });
    });

  it('B3, T3: the first beat that says running makes it so, once, and each renews the lease', async () => {
    const session = await streams.openSession();
    const claimed = await scenario.claimed(session);
    for (let i = 0; i < 3; i++) {
      await streams.unitOfWork.query(
        `UPDATE session_streams SET lease_until = now() + interval '1 s' WHERE project_id = $1`,
        [session.project_id],
      );
      expect(await scenario.isCurrent(claimed.runner, beatOf(claimed))).toBe(true);
      expect(await scenario.leaseLeft(session)).toBeGreaterThan(10);
    }
    expect(await scenario.types(session)).toEqual(['session.created', 'turn.queued', 'turn.starting', 'turn.running']);
    expect(await scenario.turn(claimed)).toMatchObject({ status: 'running', started_at: expect.any(Date) });
  });

  it('B14: the first beat of a turn is not taken for an interruption, whatever the session did before', async () => {
    const session = await streams.openSession();
    const first = await scenario.claimed(session);
    await scenario.isCurrent(first.runner, beatOf(first));
    await complete(first);
    const second = await scenario.claimed(session);
    expect(await scenario.isCurrent(second.runner, beatOf(second, 'starting'))).toBe(true);
    expect(await scenario.isCurrent(second.runner, beatOf(second))).toBe(true);
  });

  it.each([
    ['B6, B13: of another epoch', { epoch: 99 }],
    ['of another turn', { turn_id: randomUUID() }],
    ['of another session', { session_id: 'other' }],
  ])('T3: a beat %s changes nothing and is told so', async (_, change) => {
    const session = await streams.openSession();
    const claimed = await scenario.claimed(session);
    const before = await scenario.owner(session);
    expect(await scenario.isCurrent(claimed.runner, { ...beatOf(claimed), ...change })).toBe(false);
    expect(await scenario.owner(session)).toEqual(before);
    expect(await scenario.turn(claimed)).toMatchObject({ status: 'starting' });
  });

  it.each([
    ['knows of no such column', null],
    ['left there what another attempt had', 0],
  ])('T3: a turn that was claimed by an older process, which %s, is owned all the same', async (_, owner_epoch) => {
    const session = await streams.openSession();
    const claimed = await scenario.claimed(session);
    await streams.unitOfWork.query(`UPDATE session_streams SET owner_epoch = $2 WHERE project_id = $1`, [
      session.project_id,
      owner_epoch,
    ]);
    expect(await scenario.isCurrent(claimed.runner, { ...beatOf(claimed), epoch: claimed.epoch - 1 })).toBe(false);
    expect(await scenario.isCurrent(claimed.runner, { ...beatOf(claimed), epoch: claimed.epoch + 1 })).toBe(false);
    expect(await scenario.isCurrent(claimed.runner, beatOf(claimed))).toBe(true);
    expect(await scenario.owner(session)).toMatchObject({ owner_epoch: claimed.epoch });
  });

  it('B1, B2: a replica that is not the owner takes nothing over and changes nothing by beating', async () => {
    const session = await streams.openSession();
    const claimed = await scenario.claimed(session);
    await scenario.expireLease(session);
    const before = await scenario.owner(session);
    const other = await streams.registerReplica(session.project_id);
    expect(await scenario.isCurrent(other, { ...beatOf(claimed), sandbox_live: true })).toBe(false);
    expect(await scenario.owner(session)).toEqual(before);
    expect(await scenario.turn(claimed)).toMatchObject({ status: 'starting', replica_id: claimed.runner.replica_id });
  });

  it('B4, B6, B10, B12: a late beat of a turn that is over changes nothing of the one after it, even of the same replica', async () => {
    const session = await streams.openSession();
    const first = await scenario.claimed(session);
    await scenario.isCurrent(first.runner, beatOf(first));
    await complete(first);
    await streams.startTurn(session);
    const second = await scenario.claimAgain(session, first.runner);
    const before = await scenario.owner(session);
    expect(await scenario.isCurrent(first.runner, { ...beatOf(first), agent_session_id: 'late' })).toBe(false);
    expect(await scenario.owner(session)).toEqual(before);
    expect(await scenario.turn(first)).toMatchObject({ status: 'completed', agent_session_id: null });
    expect(await scenario.turn(second)).toMatchObject({ status: 'starting', agent_session_id: null });
  });

  it('B16: a beat after the end of its turn holds nothing', async () => {
    const session = await streams.openSession();
    const claimed = await scenario.claimed(session);
    await complete(claimed);
    const before = await scenario.owner(session);
    expect(await scenario.isCurrent(claimed.runner, beatOf(claimed))).toBe(false);
    expect(await scenario.owner(session)).toEqual(before);
    expect(before).toMatchObject({ owner_replica_id: null, lease_until: null, current_turn_id: null });
  });

  it('B5: two beats of one turn at the same time both find it current', async () => {
    const session = await streams.openSession();
    const claimed = await scenario.claimed(session);
    const answers = await Promise.all(
      Array.from({ length: 6 }, () => scenario.isCurrent(claimed.runner, beatOf(claimed))),
    );
    expect(answers).toEqual(Array(6).fill(true));
    expect((await scenario.types(session)).filter((type) => type === 'turn.running')).toHaveLength(1);
  });

  it('B5: a turn that a beat names twice is current twice', async () => {
    const session = await streams.openSession();
    const claimed = await scenario.claimed(session);
    const outcomes = await streams.beats.beat(claimed.runner, [beatOf(claimed, 'starting'), beatOf(claimed)]);
    expect(outcomes.map(({ is_current }) => is_current)).toEqual([true, true]);
    expect(await scenario.turn(claimed)).toMatchObject({ status: 'running' });
  });

  it('T3: two attempts of one turn in one beat are told apart', async () => {
    const session = await streams.openSession();
    const first = await scenario.claimed(session);
    await scenario.expireLease(session);
    await scenario.takeOverdue(session);
    const second = await scenario.claimAgain(session, first.runner);
    const outcomes = await streams.beats.beat(second.runner, [beatOf(first), beatOf(second, 'starting')]);
    expect(outcomes.map(({ is_current }) => is_current)).toEqual([false, true]);
    expect(await scenario.turn(second)).toMatchObject({ status: 'starting' });
  });

  it('B8, C10: a beat that waits for a take-over finds that it owns nothing', async () => {
    const session = await streams.openSession();
    const claimed = await scenario.claimed(session);
    await scenario.expireLease(session);
    const isCurrent = await scenario.whileHolding(
      (tx) => streams.takeover.takeOverdue(tx, session),
      () => scenario.isCurrent(claimed.runner, beatOf(claimed)),
    );
    expect(isCurrent).toBe(false);
    expect(await scenario.owner(session)).toMatchObject({ owner_replica_id: null, lease_until: null });
  });

  it('B13: a beat that waits while its replica loses the turn and claims it again does not renew the new lease', async () => {
    const session = await streams.openSession();
    const claimed = await scenario.claimed(session);
    await scenario.expireLease(session);
    const isCurrent = await scenario.whileHolding(
      async (tx) => {
        await streams.takeover.takeOverdue(tx, session);
        const epoch = await streams.fences.advance(tx, session);
        const fence = { ...session, turn_id: claimed.turn.turn_id, epoch };
        await streams.leases.claimTurn(tx, fence, claimed.runner, 5);
      },
      () => scenario.isCurrent(claimed.runner, beatOf(claimed)),
    );
    expect(isCurrent).toBe(false);
    expect(await scenario.leaseLeft(session)).toBeLessThanOrEqual(5);
  });

  it('B17: an owner whose lease ran out goes on by beating, as long as nobody took the turn', async () => {
    const session = await streams.openSession();
    const claimed = await scenario.claimed(session);
    await scenario.expireLease(session);
    expect(await scenario.isCurrent(claimed.runner, beatOf(claimed))).toBe(true);
    expect(await scenario.takeOverdue(session)).toBeUndefined();
  });

  it("B17, C9: leases go by the database's clock, whatever the process takes for the time", async () => {
    const session = await streams.openSession();
    jest.useFakeTimers({ now: Date.now() + 86_400_000, doNotFake: timersButDate });
    const claimed = await scenario.claimed(session);
    expect(await scenario.leaseLeft(session)).toBeLessThanOrEqual(30);
    expect(await scenario.takeOverdue(session)).toBeUndefined();
    jest.useFakeTimers({ now: 0, doNotFake: timersButDate });
    expect(await scenario.isCurrent(claimed.runner, beatOf(claimed))).toBe(true);
    expect(await scenario.leaseLeft(session)).toBeGreaterThan(10);
    await scenario.expireLease(session);
    expect(await scenario.takeOverdue(session)).toMatchObject({ turn: { status: 'queued' } });
  });

  it('B24, law 3: one statement renews all of a replica, and a beat that says nothing new touches no fence', async () => {
    stopTheClock();
    const project_id = randomUUID();
    const runner = await streams.registerReplica(project_id);
    for (let i = 0; i < 20; i++) await streams.startTurn(await streams.openSession(project_id));
    const claimed = await streams.claims.claim(runner, 20, 0, unlimited);
    const beats = claimed.map((one) => beatOf(one));
    await streams.beats.beat(runner, beats);

    const statements = jest.spyOn(streams.unitOfWork, 'statement');
    const transactions = jest.spyOn(streams.unitOfWork, 'run');
    await streams.unitOfWork.run(async (tx) => {
      // Held, so that whoever touched one would wait for it.
      await tx.query(`SELECT FROM session_fences WHERE project_id = $1 FOR UPDATE`, [project_id]);
      transactions.mockClear();
      const outcomes = await streams.beats.beat(runner, beats);
      expect(outcomes.filter(({ is_current }) => is_current)).toHaveLength(claimed.length);
    });
    expect(statements).toHaveBeenCalledTimes(1);
    expect(transactions).not.toHaveBeenCalled();
  });

  it('D1: every beat is written: when it came, and whether the sandbox is up', async () => {
    const session = await streams.openSession();
    const claimed = await scenario.claimed(session);
    const longAgo = new Date('2020-01-01');
    for (const sandbox_live of [true, undefined, false]) {
      await streams.unitOfWork.query(`UPDATE session_streams SET last_heartbeat_at = $2 WHERE project_id = $1`, [
        session.project_id,
        longAgo,
      ]);
      expect(await scenario.isCurrent(claimed.runner, { ...beatOf(claimed), sandbox_live })).toBe(true);
      const owner = (await scenario.owner(session)) as { last_heartbeat_at: Date };
      expect(owner).toMatchObject({ sandbox_live: sandbox_live ?? true });
      expect(owner.last_heartbeat_at.getTime()).toBeGreaterThan(longAgo.getTime());
    }
  });

  it('D4: beats change who is there and until when, and nothing else of the session', async () => {
    const session = await streams.openSession();
    const claimed = await scenario.claimed(session);
    await scenario.isCurrent(claimed.runner, beatOf(claimed));
    const {
      lease_until: _,
      last_heartbeat_at: __,
      ...before
    } = (await scenario.owner(session)) as Record<string, unknown>;
    await scenario.isCurrent(claimed.runner, beatOf(claimed));
    expect(await scenario.owner(session)).toMatchObject(before);
  });

  it("G5: the agent's own id of the conversation is taken down whenever it is told, and never lost by silence", async () => {
    const session = await streams.openSession();
    const claimed = await scenario.claimed(session);
    await scenario.isCurrent(claimed.runner, beatOf(claimed));
    await scenario.isCurrent(claimed.runner, { ...beatOf(claimed), agent_session_id: 'native-1' });
    await scenario.isCurrent(claimed.runner, beatOf(claimed));
    expect(await scenario.turn(claimed)).toMatchObject({ agent_session_id: 'native-1' });
    expect((await scenario.types(session)).filter((type) => type === 'turn.running')).toHaveLength(1);
  });

  it('a beat of a turn that was asked to stop keeps it, and does not make it run again', async () => {
    const session = await streams.openSession();
    const claimed = await scenario.claimed(session);
    await streams.unitOfWork.run(async (tx) => {
      await streams.fences.lock(tx, session);
      await streams.turns.requestStop(tx, (await streams.turns.liveTurn(tx, session))!, 'cancelled');
    });
    expect(await scenario.isCurrent(claimed.runner, beatOf(claimed))).toBe(true);
    expect(await scenario.turn(claimed)).toMatchObject({ status: 'stopping' });
  });

  it('a turn whose news cannot be written says so, and spoils no other', async () => {
    stopTheClock();
    const project_id = randomUUID();
    const runner = await streams.registerReplica(project_id);
    const sessions = [await streams.openSession(project_id), await streams.openSession(project_id)];
    for (const session of sessions) await streams.startTurn(session);
    const claimed = await streams.claims.claim(runner, 2, 0, unlimited);
    await streams.unitOfWork.query(`DELETE FROM log_streams WHERE project_id = $1 AND path LIKE $2`, [
      project_id,
      `%${sessions[0]!.session_id}%`,
    ]);
    const outcomes = await streams.beats.beat(
      runner,
      claimed.map((one) => beatOf(one)),
    );
    expect(outcomes).toMatchObject([{ is_current: true, error: { code: 'beat_not_recorded' } }, { is_current: true }]);
    expect(outcomes[1]).not.toHaveProperty('error');
    expect(await scenario.turn(claimed[0]!)).toMatchObject({ status: 'starting' });
    expect(await scenario.turn(claimed[1]!)).toMatchObject({ status: 'running' });
  });

  it('A5: a turn is due a new credential four times in the life of one, and not with every beat', async () => {
    const session = await streams.openSession();
    const claimed = await scenario.claimed(session);
    const isDue = async () => (await streams.beats.beat(claimed.runner, [beatOf(claimed)]))[0]!.credential_due;
    for (const minutes of [4, 7, 15, 60]) {
      await streams.unitOfWork.query(
        `UPDATE session_streams SET last_heartbeat_at = now() - make_interval(mins => $2) WHERE project_id = $1`,
        [session.project_id, minutes],
      );
      expect(await isDue()).toBe(true);
    }
    // A period may end between two beats, but not between all of them.
    expect([await isDue(), await isDue(), await isDue()]).toContain(false);
  });
});

type FakeableAPI = NonNullable<FakeTimersConfig['doNotFake']>[number];

/** Everything that could be faked but the clock's time. */
const timersButDate: FakeableAPI[] = [
  'hrtime',
  'nextTick',
  'performance',
  'queueMicrotask',
  'setImmediate',
  'clearImmediate',
  'setInterval',
  'clearInterval',
  'setTimeout',
  'clearTimeout',
];
