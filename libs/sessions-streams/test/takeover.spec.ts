import { randomUUID } from 'node:crypto';
import { beatOf, fenceOf, leaseScenario, type LeaseScenario } from './lease-scenario.js';
import { startStreams, type Streams } from './streams-fixture.js';

describe('taking turns from owners that are lost', () => {
  let streams: Streams;
  let scenario: LeaseScenario;
  beforeAll(async () => {
    streams = await startStreams();
    scenario = leaseScenario(streams);
  });
  afterAll(() => streams.stop());

  const stop = (session: Parameters<typeof scenario.owner>[0], status: 'cancelled' | 'superseded') =>
    streams.unitOfWork.run(async (tx) => {
      await streams.fences.lock(tx, session);
      return streams.turns.requestStop(tx, (await streams.turns.liveTurn(tx, session))!, status);
    });

  it.each(['starting', 'running'] as const)(
    'B7, T6: a %s turn goes back in line under a new epoch, and its log says where the attempt was lost',
    async (status) => {
      const session = await streams.openSession();
      const first = await scenario.claimed(session);
      await scenario.isCurrent(first.runner, beatOf(first, status));
      await scenario.expireLease(session);
      await scenario.takeOverdue(session);

      expect(await scenario.turn(first)).toMatchObject({ status: 'queued', lost_attempts: 1, epoch: null });
      expect(await scenario.owner(session)).toMatchObject({
        owner_replica_id: null,
        lease_until: null,
        current_turn_id: first.turn.turn_id,
      });
      expect((await streams.events(session)).at(-1)).toMatchObject({
        type: 'turn.attempt_lost',
        turn_id: first.turn.turn_id,
        data: { attempt: 1, epoch: first.epoch, requeued: true },
      });
      const second = await scenario.claimAgain(session, await streams.registerReplica(session.project_id));
      expect(second.turn).toMatchObject({ turn_id: first.turn.turn_id, attempt: 2 });
      expect(second.epoch).toBeGreaterThan(first.epoch);
    },
  );

  it('a turn whose owner has no log for commands any more is taken, stopped and ended like any other', async () => {
    const session = await streams.openSession();
    const first = await scenario.claimed(session);
    await streams.unitOfWork.query(`DELETE FROM log_streams WHERE project_id = $1 AND path LIKE 'runners/%'`, [
      session.project_id,
    ]);
    expect(await stop(session, 'cancelled')).toMatchObject({ turn: { status: 'stopping' } });
    await scenario.expireLease(session);
    await scenario.takeOverdue(session);
    expect(await scenario.turn(first)).toMatchObject({ status: 'cancelled' });
  });

  it('A8, G1, G2: another attempt is the same turn, with the id and the index that it always had', async () => {
    const session = await streams.openSession();
    const first = await scenario.claimed(session);
    await scenario.expireLease(session);
    await scenario.takeOverdue(session);
    const second = await scenario.claimAgain(session, first.runner);
    expect(second.turn).toMatchObject({ turn_id: first.turn.turn_id, turn_index: 0, attempt: 2 });
    await streams.unitOfWork.run(async (tx) => {
      const { turn } = await streams.turns.lockForEnd(tx, fenceOf(second));
      await streams.turns.end(tx, turn, { status: 'completed', stop_reason: null, usage: null, error: null });
    });
    expect((await scenario.claimed(session)).turn).toMatchObject({ turn_index: 1, attempt: 1 });
  });

  it('T6: a turn is lost for good when its owner was lost as often as it may be', async () => {
    const session = await streams.openSession();
    const claimed = await scenario.claimed(session, { max_attempts: 2 });
    await scenario.expireLease(session);
    await scenario.takeOverdue(session);
    await scenario.claimAgain(session, claimed.runner);
    await scenario.expireLease(session);
    await scenario.takeOverdue(session);
    expect(await scenario.turn(claimed)).toMatchObject({
      status: 'lost',
      attempt: 2,
      lost_attempts: 2,
      error: { code: 'owner_lost' },
    });
    expect((await streams.events(session)).slice(-2)).toMatchObject([
      { type: 'turn.attempt_lost', data: { attempt: 2, requeued: false } },
      { type: 'turn.lost' },
    ]);
    await streams.startTurn(session);
  });

  it('C6, C11: the lost owner is told to end what it left running, under the epoch that it knows', async () => {
    const session = await streams.openSession();
    const claimed = await scenario.claimed(session);
    await scenario.isCurrent(claimed.runner, { ...beatOf(claimed), sandbox_live: true });
    await scenario.expireLease(session);
    await scenario.takeOverdue(session);
    const { project_id: _, ...fence } = fenceOf(claimed);
    expect(await streams.commands(claimed.runner)).toEqual([
      { command_id: expect.any(String), type: 'kill', ...fence },
    ]);
    expect(await scenario.owner(session)).toMatchObject({ sandbox_live: false });
  });

  it('B6, B11, T6: the late runner of a turn that was taken renews nothing, ends nothing and writes nothing', async () => {
    const session = await streams.openSession();
    const claimed = await scenario.claimed(session);
    await scenario.isCurrent(claimed.runner, beatOf(claimed));
    await scenario.expireLease(session);
    await scenario.takeOverdue(session);
    expect(await scenario.isCurrent(claimed.runner, beatOf(claimed))).toBe(false);
    for (const write of [
      () => streams.unitOfWork.run((tx) => streams.turns.lockForEnd(tx, fenceOf(claimed))),
      () => streams.unitOfWork.run((tx) => streams.fences.hold(tx, fenceOf(claimed))),
      () => streams.unitOfWork.run((tx) => streams.handOver.handOver(tx, fenceOf(claimed), 'late')),
    ]) {
      await expect(write()).rejects.toMatchObject({ code: 'stale_epoch' });
    }
    expect(await scenario.turn(claimed)).toMatchObject({ status: 'queued' });
  });

  it('C10: a lease that is renewed while the sweep looks is not taken', async () => {
    const session = await streams.openSession();
    const claimed = await scenario.claimed(session);
    await scenario.expireLease(session);
    const taken = await scenario.whileHolding(
      // As a beat that has not been committed yet.
      (tx) =>
        tx.query(`UPDATE session_streams SET lease_until = now() + interval '30 s' WHERE project_id = $1`, [
          session.project_id,
        ]),
      () => scenario.takeOverdue(session),
    );
    expect(taken).toBeUndefined();
    expect(await scenario.isCurrent(claimed.runner, beatOf(claimed))).toBe(true);
  });

  it('C10: a session that somebody is at work on is passed over, and what they did stands', async () => {
    const session = await streams.openSession();
    const claimed = await scenario.claimed(session);
    await scenario.expireLease(session);
    await streams.unitOfWork.run(async (tx) => {
      const { turn } = await streams.turns.lockForEnd(tx, fenceOf(claimed));
      await streams.turns.end(tx, turn, { status: 'completed', stop_reason: null, usage: null, error: null });
      expect(await scenario.takeOverdue(session)).toBeUndefined();
    });
    expect(await scenario.takeOverdue(session)).toBeUndefined();
    expect(await scenario.turn(claimed)).toMatchObject({ status: 'completed', lost_attempts: 0 });
  });

  it('C10: an end that waits for a take-over is refused', async () => {
    const session = await streams.openSession();
    const claimed = await scenario.claimed(session);
    await scenario.expireLease(session);
    const end = scenario.whileHolding(
      (tx) => streams.takeover.takeOverdue(tx, session),
      () => streams.unitOfWork.run((tx) => streams.turns.lockForEnd(tx, fenceOf(claimed))),
    );
    await expect(end).rejects.toMatchObject({ code: 'stale_epoch' });
    expect(await scenario.turn(claimed)).toMatchObject({ status: 'queued' });
  });

  it('C10: sweepers at the same time take a turn once', async () => {
    const session = await streams.openSession();
    await scenario.claimed(session);
    await scenario.expireLease(session);
    const taken = await Promise.all(Array.from({ length: 8 }, () => scenario.takeOverdue(session)));
    expect(taken.filter(Boolean)).toHaveLength(1);
    expect((await scenario.types(session)).filter((type) => type === 'turn.attempt_lost')).toHaveLength(1);
  });

  it('T6: a turn whose lease holds is left alone', async () => {
    const session = await streams.openSession();
    const claimed = await scenario.claimed(session);
    expect(await scenario.takeOverdue(session)).toBeUndefined();
    expect(await scenario.turn(claimed)).toMatchObject({ status: 'starting' });
  });

  it('C7: a turn that never beat is overdue like any other', async () => {
    const session = await streams.openSession();
    const claimed = await scenario.claimed(session);
    await streams.unitOfWork.query(`UPDATE session_streams SET last_heartbeat_at = NULL WHERE project_id = $1`, [
      session.project_id,
    ]);
    await scenario.expireLease(session);
    expect(await scenario.takeOverdue(session)).toBeDefined();
    expect(await scenario.turn(claimed)).toMatchObject({ status: 'queued' });
  });

  it.each(['cancelled', 'superseded'] as const)(
    'a turn that was to end %s and loses its owner ends so',
    async (status) => {
      const session = await streams.openSession();
      const claimed = await scenario.claimed(session);
      await stop(session, status);
      await scenario.expireLease(session);
      await scenario.takeOverdue(session);
      expect(await scenario.turn(claimed)).toMatchObject({
        status,
        stop_reason: status,
        error: { code: 'owner_lost' },
      });
    },
  );

  it('a turn that does not stop in time is ended though its owner beats, and the owner is told', async () => {
    const session = await streams.openSession();
    const claimed = await scenario.claimed(session);
    await stop(session, 'cancelled');
    await streams.unitOfWork.query(`UPDATE session_turns SET stop_by = now() - interval '1 s' WHERE project_id = $1`, [
      session.project_id,
    ]);
    await scenario.takeOverdue(session);
    expect(await scenario.turn(claimed)).toMatchObject({ status: 'cancelled', error: { code: 'stopped_by_force' } });
    expect(await scenario.isCurrent(claimed.runner, beatOf(claimed))).toBe(false);
    expect((await streams.commands(claimed.runner)).map(({ type }) => type)).toEqual(['cancel', 'kill']);
  });

  it('A1: what is overdue is found by pages, for every project', async () => {
    const sessions = [];
    for (let i = 0; i < 5; i++) {
      const session = await streams.openSession(randomUUID());
      await scenario.claimed(session);
      await scenario.expireLease(session);
      sessions.push(session);
    }
    const found = [];
    for (let last: (typeof sessions)[number] | undefined; ;) {
      const page = await streams.leases.overdueSessions(2, last);
      found.push(...page);
      last = page.at(-1);
      if (page.length < 2) break;
    }
    expect(found).toEqual(expect.arrayContaining(sessions));
    expect(new Set(found.map(({ session_id }) => session_id)).size).toBe(found.length);
  });
});
