import { randomUUID } from 'node:crypto';
import { leaseScenario, stopTheClock, unlimited, type LeaseScenario } from './lease-scenario.js';
import { startStreams, type Streams } from './streams-fixture.js';

describe('the capacity of a replica', () => {
  let streams: Streams;
  let scenario: LeaseScenario;
  beforeAll(async () => {
    streams = await startStreams();
    scenario = leaseScenario(streams);
  });
  afterEach(() => jest.restoreAllMocks());
  afterAll(() => streams.stop());

  /** A project with so many turns in line. */
  const projectWithTurns = async (count: number) => {
    const project_id = randomUUID();
    for (let i = 0; i < count; i++) await streams.startTurn(await streams.openSession(project_id));
    return project_id;
  };

  it('B23: claims of one replica at the same time never own more turns than it registered for', async () => {
    stopTheClock();
    const project_id = await projectWithTurns(8);
    const runner = await streams.registerReplica(project_id, { capacity: 3 });
    const claims = await Promise.all(Array.from({ length: 5 }, () => streams.claims.claim(runner, 10, 0, unlimited)));
    expect(claims.flat()).toHaveLength(3);
  });

  it('B23: only leases that have not run out count', async () => {
    const project_id = await projectWithTurns(3);
    const runner = await streams.registerReplica(project_id, { capacity: 1 });
    const [first] = await streams.claims.claim(runner, 10, 0, unlimited);
    expect(await streams.claims.claim(runner, 10, 0, unlimited)).toEqual([]);
    await scenario.expireLease(first!.turn);
    expect(await streams.claims.claim(runner, 10, 0, unlimited)).toHaveLength(1);
  });

  it('B23: a full replica keeps nothing from another', async () => {
    const project_id = await projectWithTurns(2);
    const full = await streams.registerReplica(project_id, { capacity: 1 });
    expect(await streams.claims.claim(full, 10, 0, unlimited)).toHaveLength(1);
    const leaving = new AbortController();
    const waiting = streams.claims.claim(full, 10, 30, leaving.signal);
    const other = await streams.registerReplica(project_id);
    expect(await streams.claims.claim(other, 10, 20, unlimited)).toHaveLength(1);
    leaving.abort();
    expect(await waiting).toEqual([]);
  });

  it('a full replica that waits is given a turn once it has room', async () => {
    const project_id = await projectWithTurns(2);
    const runner = await streams.registerReplica(project_id, { capacity: 1 });
    const [first] = await streams.claims.claim(runner, 1, 0, unlimited);
    const waiting = streams.claims.claim(runner, 1, 20, unlimited);
    await streams.unitOfWork.run(async (tx) => {
      const { turn } = await streams.turns.lockForEnd(tx, { ...first!.turn, epoch: first!.epoch });
      await streams.turns.end(tx, turn, { status: 'completed', stop_reason: null, usage: null, error: null });
    });
    expect(await waiting).toHaveLength(1);
  });

  it('registering again changes what the replica may own', async () => {
    const project_id = await projectWithTurns(3);
    const runner = await streams.registerReplica(project_id, { capacity: 1 });
    expect(await streams.claims.claim(runner, 10, 0, unlimited)).toHaveLength(1);
    await streams.claims.register(runner, { pools: ['default'], labels: [], capacity: 2 });
    expect(await streams.claims.claim(runner, 10, 0, unlimited)).toHaveLength(1);
    expect(await streams.claims.claim(runner, 10, 0, unlimited)).toEqual([]);
  });
});
