import { beatOf, fenceOf, leaseScenario, type LeaseScenario } from './lease-scenario.js';
import { startStreams, type Streams } from './streams-fixture.js';

describe('handing a turn over', () => {
  let streams: Streams;
  let scenario: LeaseScenario;
  beforeAll(async () => {
    streams = await startStreams();
    scenario = leaseScenario(streams);
  });
  afterAll(() => streams.stop());

  const handOver = (fence: ReturnType<typeof fenceOf>, reason = 'drain') =>
    streams.unitOfWork.run((tx) => streams.handOver.handOver(tx, fence, reason));

  it('K5: puts it back in line under a new epoch, says so in the log, and does not count as lost', async () => {
    const session = await streams.openSession();
    const first = await scenario.claimed(session, { max_attempts: 1 });
    await scenario.isCurrent(first.runner, { ...beatOf(first), agent_session_id: 'native-1', sandbox_live: true });
    expect(await handOver(fenceOf(first))).toMatchObject({ outcome: 'queued', turn: { status: 'queued' } });
    expect(await scenario.turn(first)).toMatchObject({ status: 'queued', lost_attempts: 0, epoch: null });
    expect(await scenario.owner(session)).toMatchObject({
      owner_replica_id: null,
      lease_until: null,
      sandbox_live: false,
    });
    expect((await streams.events(session)).at(-1)).toMatchObject({
      type: 'turn.handed_over',
      turn_id: first.turn.turn_id,
      data: { attempt: 1, epoch: first.epoch, reason: 'drain' },
    });
    const second = await scenario.claimAgain(session, await streams.registerReplica(session.project_id));
    expect(second).toMatchObject({
      turn: { turn_id: first.turn.turn_id, attempt: 2 },
      // It was not saved: its files are where it was, and another runner that were told to go on with it could only fail.
      resume_agent_session_id: null,
    });
    expect(second.epoch).toBeGreaterThan(first.epoch);
  });

  it('one that lost contact counts as a lost attempt: in line again while there are attempts left, and after that lost', async () => {
    const session = await streams.openSession();
    const first = await scenario.claimed(session, { max_attempts: 2 });
    expect(await handOver(fenceOf(first), 'lost_contact')).toMatchObject({ outcome: 'queued' });
    expect(await scenario.turn(first)).toMatchObject({ status: 'queued', lost_attempts: 1 });
    expect((await streams.events(session)).at(-1)).toMatchObject({
      type: 'turn.handed_over',
      data: { attempt: 1, epoch: first.epoch, reason: 'lost_contact' },
    });

    const second = await scenario.claimAgain(session, first.runner);
    expect(await handOver(fenceOf(second), 'lost_contact')).toMatchObject({
      outcome: 'to_end',
      turn: { turn_id: first.turn.turn_id, epoch: second.epoch },
      end: { status: 'lost', error: { code: 'owner_lost' } },
    });
    expect(await scenario.turn(first)).toMatchObject({ lost_attempts: 2 });
    expect((await streams.events(session)).at(-1)).toMatchObject({
      type: 'turn.attempt_lost',
      data: { attempt: 2, epoch: second.epoch, requeued: false },
    });
  });

  it('B9: a retry under the old epoch is answered alike and changes nothing, also when the next runner is at work', async () => {
    const session = await streams.openSession();
    const first = await scenario.claimed(session);
    await handOver(fenceOf(first));
    expect(await handOver(fenceOf(first))).toMatchObject({ outcome: 'done', turn: { status: 'queued' } });
    const second = await scenario.claimAgain(session, first.runner);
    const before = await scenario.owner(session);
    expect(await handOver(fenceOf(first))).toMatchObject({ outcome: 'done', turn: { status: 'starting' } });
    expect(await scenario.owner(session)).toEqual(before);
    expect(await scenario.isCurrent(second.runner, beatOf(second))).toBe(true);
    expect((await scenario.types(session)).filter((type) => type === 'turn.handed_over')).toHaveLength(1);
  });

  it('whoever handed over writes, beats and ends nothing any more', async () => {
    const session = await streams.openSession();
    const claimed = await scenario.claimed(session);
    await handOver(fenceOf(claimed));
    expect(await scenario.isCurrent(claimed.runner, beatOf(claimed))).toBe(false);
    await expect(streams.unitOfWork.run((tx) => streams.turns.lockForEnd(tx, fenceOf(claimed)))).rejects.toMatchObject({
      code: 'stale_epoch',
    });
  });

  it('an epoch that owns nothing hands nothing over', async () => {
    const session = await streams.openSession();
    const claimed = await scenario.claimed(session);
    const fence = fenceOf(claimed);
    for (const epoch of [fence.epoch - 1, fence.epoch + 1]) {
      await expect(handOver({ ...fence, epoch })).rejects.toMatchObject({ code: 'stale_epoch' });
    }
    await expect(handOver({ ...fence, session_id: 'unknown' })).rejects.toMatchObject({ code: 'turn_not_found' });
    expect(await scenario.isCurrent(claimed.runner, beatOf(claimed))).toBe(true);
  });

  it('a turn that is over stays as it ended', async () => {
    const session = await streams.openSession();
    const claimed = await scenario.claimed(session);
    await streams.unitOfWork.run(async (tx) => {
      const { turn } = await streams.turns.lockForEnd(tx, fenceOf(claimed));
      await streams.turns.end(tx, turn, { status: 'completed', stop_reason: null, usage: null, error: null });
    });
    expect(await handOver(fenceOf(claimed))).toMatchObject({ outcome: 'done', turn: { status: 'completed' } });
  });

  it('a turn that was to stop is for the caller to end, under the epoch that it has', async () => {
    const session = await streams.openSession();
    const claimed = await scenario.claimed(session);
    await streams.unitOfWork.run(async (tx) => {
      await streams.fences.lock(tx, session);
      await streams.turns.requestStop(tx, (await streams.turns.liveTurn(tx, session))!, 'superseded');
    });
    expect(await handOver(fenceOf(claimed))).toMatchObject({
      outcome: 'to_end',
      turn: { status: 'stopping', epoch: claimed.epoch },
    });
  });

  it('a cancel that waits for a hand-over ends the turn in line at once', async () => {
    const session = await streams.openSession();
    const claimed = await scenario.claimed(session);
    const stopped = await scenario.whileHolding(
      (tx) => streams.handOver.handOver(tx, fenceOf(claimed), 'drain'),
      () =>
        streams.unitOfWork.run(async (tx) => {
          await streams.fences.lock(tx, session);
          return streams.turns.requestStop(tx, (await streams.turns.liveTurn(tx, session))!, 'cancelled');
        }),
    );
    expect(stopped).toMatchObject({ endNow: true, turn: { status: 'queued' } });
  });

  it('a hand-over that waits for a cancel ends the turn instead of putting it in line', async () => {
    const session = await streams.openSession();
    const claimed = await scenario.claimed(session);
    const handedOver = await scenario.whileHolding(
      async (tx) => {
        await streams.fences.lock(tx, session);
        await streams.turns.requestStop(tx, (await streams.turns.liveTurn(tx, session))!, 'cancelled');
      },
      () => handOver(fenceOf(claimed)),
    );
    expect(handedOver).toMatchObject({ outcome: 'to_end', turn: { status: 'stopping' } });
  });
});
