import { randomUUID } from 'node:crypto';
import { leaseScenario, unlimited } from './lease-scenario.js';
import { startStreams, type Streams } from './streams-fixture.js';

describe('replicas of runners', () => {
  let streams: Streams;
  beforeAll(async () => {
    streams = await startStreams();
  });
  afterAll(() => streams.stop());

  const offer = { pools: ['default'], labels: [], capacity: 10 };

  it('A3: one that never registered is told so, and so is one that acts for another key or in another project', async () => {
    const session = await streams.openSession();
    const runner = await streams.registerReplica(session.project_id);
    for (const stranger of [
      { ...runner, replica_id: randomUUID() },
      { ...runner, key_id: randomUUID() },
      { ...runner, project_id: randomUUID() },
    ]) {
      await expect(streams.claims.claim(stranger, 1, 0, unlimited)).rejects.toMatchObject({ code: 'replica_unknown' });
      await expect(streams.beats.beat(stranger, [])).rejects.toMatchObject({ code: 'replica_unknown' });
      expect(await streams.claims.isRegistered(stranger)).toBe(false);
    }
    await expect(streams.claims.register({ ...runner, key_id: randomUUID() }, offer)).rejects.toMatchObject({
      code: 'replica_taken',
    });
  });

  it('a claim that waits is refused when its replica is forgotten meanwhile', async () => {
    const session = await streams.openSession();
    const runner = await streams.registerReplica(session.project_id);
    const waiting = streams.claims.claim(runner, 1, 20, unlimited);
    const refused = expect(waiting).rejects.toMatchObject({ code: 'replica_unknown' });
    await streams.unitOfWork.query(`DELETE FROM runner_replicas WHERE project_id = $1`, [session.project_id]);
    await streams.startTurn(session);
    await refused;
    expect(await streams.claims.isRegistered(runner)).toBe(false);
  });

  it('those that were silent for a day are forgotten with their commands, unless they own a turn', async () => {
    const session = await streams.openSession();
    const owner = await leaseScenario(streams).claimed(session);
    const silent = await streams.registerReplica(session.project_id);
    await streams.unitOfWork.query(
      `UPDATE runner_replicas SET seen_at = now() - interval '25 hours' WHERE project_id = $1`,
      [session.project_id],
    );
    await streams.claims.pruneReplicas(1000);
    expect(await streams.claims.isRegistered(owner.runner)).toBe(true);
    expect(await streams.claims.isRegistered(silent)).toBe(false);
    await expect(streams.commands(silent)).rejects.toMatchObject({ code: 'stream_not_found' });
  });

  it('one that claims, and finds nothing for a day, is not forgotten', async () => {
    const session = await streams.openSession();
    const runner = await streams.registerReplica(session.project_id);
    await streams.unitOfWork.query(
      `UPDATE runner_replicas SET seen_at = now() - interval '25 hours' WHERE project_id = $1`,
      [session.project_id],
    );
    expect(await streams.claims.claim(runner, 1, 0, unlimited)).toEqual([]);
    await streams.claims.pruneReplicas(1000);
    expect(await streams.claims.isRegistered(runner)).toBe(true);
  });

  it('one that claims after a day of silence is not forgotten while it does', async () => {
    const scenario = leaseScenario(streams);
    const session = await streams.openSession();
    const runner = await streams.registerReplica(session.project_id);
    await streams.startTurn(session);
    await streams.unitOfWork.query(
      `UPDATE runner_replicas SET seen_at = now() - interval '25 hours' WHERE project_id = $1`,
      [session.project_id],
    );
    await scenario.claimAgain(session, runner);
    await streams.claims.pruneReplicas(1000);
    await streams.unitOfWork.query(`UPDATE session_streams SET owner_replica_id = NULL WHERE project_id = $1`, [
      session.project_id,
    ]);
    await streams.claims.pruneReplicas(1000);
    expect(await streams.claims.isRegistered(runner)).toBe(true);
  });
});
