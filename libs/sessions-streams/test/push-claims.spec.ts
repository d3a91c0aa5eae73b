import { randomUUID } from 'node:crypto';
import { beatOf, fenceOf, leaseScenario, unlimited, type LeaseScenario } from './lease-scenario.js';
import { startStreams, type Streams } from './streams-fixture.js';

describe('claiming a turn for the service that it is pushed to', () => {
  let streams: Streams;
  let scenario: LeaseScenario;
  beforeAll(async () => {
    streams = await startStreams();
    scenario = leaseScenario(streams);
  });
  afterAll(() => streams.stop());

  const pushed = { pool: null, push_url: 'https://agent.example/run' };
  const claimForPush = (turn: { project_id: string; session_id: string; turn_id: string }) =>
    streams.unitOfWork.run((tx) => streams.claims.claimForPush(tx, turn));

  it('makes the turn its own owner, with an epoch, a lease and a log for its commands', async () => {
    const session = await streams.openSession();
    const turn = await streams.startTurn(session, 'hello', 'scripted', pushed);
    const claimed = (await claimForPush(turn))!;
    expect(claimed).toMatchObject({ epoch: 1, turn: { status: 'starting', attempt: 1, replica_id: turn.turn_id } });
    const owner = { project_id: session.project_id, replica_id: turn.turn_id, key_id: turn.turn_id };
    expect(await streams.commands(owner)).toEqual([]);
    expect(await scenario.isCurrent(owner, beatOf(claimed))).toBe(true);
    expect(await scenario.leaseLeft(session)).toBeGreaterThan(0);
    expect(await scenario.types(session)).toEqual(['session.created', 'turn.queued', 'turn.starting', 'turn.running']);
  });

  it('claims it once, however many workers try', async () => {
    const session = await streams.openSession();
    const turn = await streams.startTurn(session, 'hello', 'scripted', pushed);
    const claims = await Promise.all(Array.from({ length: 4 }, () => claimForPush(turn)));
    expect(claims.filter(Boolean)).toHaveLength(1);
    expect(await claimForPush(turn)).toBeUndefined();
  });

  it('claims it again, under a new epoch, after its service was lost', async () => {
    const session = await streams.openSession();
    const turn = await streams.startTurn(session, 'hello', 'scripted', pushed);
    const first = (await claimForPush(turn))!;
    await scenario.expireLease(session);
    await scenario.takeOverdue(session);
    const second = (await claimForPush(turn))!;
    expect(second.turn.attempt).toBe(2);
    expect(second.epoch).toBeGreaterThan(first.epoch);
    const owner = { project_id: session.project_id, replica_id: turn.turn_id, key_id: turn.turn_id };
    expect(await scenario.isCurrent(owner, beatOf(first))).toBe(false);
    expect(await streams.commands(owner)).toMatchObject([{ type: 'kill', epoch: first.epoch }]);
    await expect(streams.unitOfWork.run((tx) => streams.fences.hold(tx, fenceOf(first)))).rejects.toMatchObject({
      code: 'stale_epoch',
    });
  });

  it('claims it also where a runner has registered under its id, which is that runner no longer', async () => {
    const session = await streams.openSession();
    const turn = await streams.startTurn(session, 'hello', 'scripted', pushed);
    const squatter = { project_id: session.project_id, replica_id: turn.turn_id, key_id: randomUUID() };
    await streams.claims.register(squatter, { pools: ['default'], labels: [], capacity: 1 });
    const claimed = (await claimForPush(turn))!;
    expect(claimed.turn).toMatchObject({ status: 'starting', replica_id: turn.turn_id });
    expect(await streams.claims.isRegistered(squatter)).toBe(false);
    expect(await scenario.isCurrent({ ...squatter, key_id: turn.turn_id }, beatOf(claimed))).toBe(true);
  });

  it('leaves turns of pools alone, and runners leave pushed ones alone', async () => {
    const session = await streams.openSession();
    const other = await streams.openSession(session.project_id);
    const turn = await streams.startTurn(session);
    await streams.startTurn(other, 'hello', 'scripted', pushed);
    expect(await claimForPush(turn)).toBeUndefined();
    const runner = await streams.registerReplica(session.project_id);
    const claimed = await streams.claims.claim(runner, 10, 0, unlimited);
    expect(claimed.map(({ turn: { turn_id } }) => turn_id)).toEqual([turn.turn_id]);
  });
});
