import { randomUUID } from 'node:crypto';
import { plainToInstance } from 'class-transformer';
import { validateSync } from 'class-validator';
import type { SessionKey } from '@holdfast/platform-postgres';
import { localPool, SessionRunnerRegister, SessionStreamInvoke } from '../src/index.js';
import type { RunnerOffer } from '../src/control/runner-replicas.repository.js';
import { unlimited } from './lease-scenario.js';
import { startStreams, type Streams } from './streams-fixture.js';

describe('private pools', () => {
  let streams: Streams;
  beforeAll(async () => {
    streams = await startStreams();
  });
  afterAll(() => streams.stop());

  const machine = () => `m-${randomUUID()}`;
  const inLineFor = async (project_id: string, pool: string): Promise<SessionKey & { turn_id: string }> => {
    const session = await streams.openSession(project_id);
    return streams.startTurn(session, 'hi', 'scripted', { pool });
  };
  const claimsOf = async (project_id: string, offer: Partial<RunnerOffer>): Promise<string[]> => {
    const runner = await streams.registerReplica(project_id, offer);
    const ids: string[] = [];
    for (;;) {
      // One claim waits for its others for a moment only.
      const claimed = await streams.claims.claim(runner, 10, 0, unlimited);
      if (claimed.length === 0) return ids;
      ids.push(...claimed.map(({ turn }) => turn.turn_id));
    }
  };

  it('a runner takes the turns of its pools and those that are for its machine alone', async () => {
    const project_id = randomUUID();
    const private_pool = machine();
    const turns = [await inLineFor(project_id, 'default'), await inLineFor(project_id, localPool(private_pool))];
    expect(await claimsOf(project_id, { pools: ['default'], private_pool })).toEqual(turns.map((turn) => turn.turn_id));
  });

  it('Q15: a turn that is for one machine goes to no other, whatever pools it registers for', async () => {
    const project_id = randomUUID();
    const private_pool = machine();
    const turn = await inLineFor(project_id, localPool(private_pool));
    expect(await claimsOf(project_id, {})).toEqual([]);
    expect(await claimsOf(project_id, { pools: ['default', private_pool] })).toEqual([]);
    expect(await claimsOf(project_id, { private_pool: machine() })).toEqual([]);
    expect(await claimsOf(randomUUID(), { pools: [], private_pool })).toEqual([]);
    expect(await claimsOf(project_id, { pools: [], private_pool })).toEqual([turn.turn_id]);
  });

  it('a runner of one session takes nothing of any pool, also of one that is called like its machine', async () => {
    const project_id = randomUUID();
    const private_pool = machine();
    await inLineFor(project_id, 'default');
    await inLineFor(project_id, private_pool);
    expect(await claimsOf(project_id, { pools: [], private_pool })).toEqual([]);
  });

  it('a claim that waits is told of a turn for its machine', async () => {
    const project_id = randomUUID();
    const private_pool = machine();
    const runner = await streams.registerReplica(project_id, { pools: [], private_pool });
    const waiting = streams.claims.claim(runner, 1, 30, unlimited);
    const turn = await inLineFor(project_id, localPool(private_pool));
    expect((await waiting).map((claimed) => claimed.turn.turn_id)).toEqual([turn.turn_id]);
  });

  it('a runner that starts again on its machine goes on with what is in line there; one that leaves it out has none', async () => {
    const project_id = randomUUID();
    const private_pool = machine();
    const runner = await streams.registerReplica(project_id, { private_pool });
    const turn = await inLineFor(project_id, localPool(private_pool));
    await streams.claims.register(runner, { pools: ['default'], labels: [], capacity: 1 });
    expect(await streams.claims.claim(runner, 1, 0, unlimited)).toEqual([]);
    expect(await claimsOf(project_id, { private_pool })).toEqual([turn.turn_id]);
  });

  describe('a turn in line for a machine', () => {
    const isUnreachable = async ({ project_id, session_id }: SessionKey): Promise<boolean> => {
      const sessions = await streams.leases.unreachableTurns(1000);
      const isListed = sessions.some((one) => one.project_id === project_id && one.session_id === session_id);
      const locked = await streams.unitOfWork.run((tx) =>
        streams.leases.lockUnreachable(tx, { project_id, session_id }),
      );
      expect(locked !== undefined).toBe(isListed);
      return isListed;
    };
    const waitedFor = (turn: SessionKey, minutes: number) =>
      streams.unitOfWork.query(
        `UPDATE session_turns SET created_at = now() - make_interval(mins => $3)
          WHERE project_id = $1 AND session_id = $2`,
        [turn.project_id, turn.session_id, minutes],
      );
    const silentFor = (project_id: string, minutes: number) =>
      streams.unitOfWork.query(
        `UPDATE runner_replicas SET seen_at = now() - make_interval(mins => $2) WHERE project_id = $1`,
        [project_id, minutes],
      );

    it('is unreachable when no runner was there for 10 minutes, and reachable again when one comes', async () => {
      const project_id = randomUUID();
      const private_pool = machine();
      const turn = await inLineFor(project_id, localPool(private_pool));
      expect(await isUnreachable(turn)).toBe(false);
      await waitedFor(turn, 9);
      expect(await isUnreachable(turn)).toBe(false);
      await waitedFor(turn, 11);
      expect(await isUnreachable(turn)).toBe(true);

      const runner = await streams.registerReplica(project_id, { pools: [], private_pool });
      expect(await isUnreachable(turn)).toBe(false);
      await silentFor(project_id, 11);
      expect(await isUnreachable(turn)).toBe(true);
      // Also one that has no room: it is seen.
      await streams.beats.beat(runner, []);
      expect(await isUnreachable(turn)).toBe(false);
    });

    it('is not reached by runners of other machines, of pools, or of other projects', async () => {
      const project_id = randomUUID();
      const private_pool = machine();
      const turn = await inLineFor(project_id, localPool(private_pool));
      await waitedFor(turn, 11);
      await streams.registerReplica(project_id, { private_pool: machine() });
      await streams.registerReplica(project_id, { pools: [private_pool] });
      await streams.registerReplica(randomUUID(), { private_pool });
      expect(await isUnreachable(turn)).toBe(true);
    });

    it('is none that waits in a pool, however long, and none that somebody has', async () => {
      const project_id = randomUUID();
      const private_pool = machine();
      const [pooled, owned] = [
        await inLineFor(project_id, 'nobody'),
        await inLineFor(project_id, localPool(private_pool)),
      ];
      expect(await claimsOf(project_id, { pools: [], private_pool })).toEqual([owned.turn_id]);
      for (const turn of [pooled, owned]) await waitedFor(turn, 11);
      await silentFor(project_id, 11);
      expect(await isUnreachable(pooled)).toBe(false);
      expect(await isUnreachable(owned)).toBe(false);
    });
  });
});

describe('what names a machine', () => {
  const faults = (as: new () => object, body: object): string[] =>
    validateSync(plainToInstance(as, body)).map(({ property }) => property);
  const register = (change: object) =>
    faults(SessionRunnerRegister, {
      replica_id: '01900000-0000-7000-8000-000000000000',
      pools: ['default'],
      ...change,
    });
  const invoke = (change: object) => faults(SessionStreamInvoke, { session_id: 's', prompt: 'hi', ...change });

  it('stands beside pools or instead of them', () => {
    expect(register({ private_pool: 'm-1' })).toEqual([]);
    expect(register({ private_pool: 'm-1', pools: [] })).toEqual([]);
    expect(register({ pools: [] })).toEqual(['pools']);
  });

  it.each([['Capital'], [''], ['a:b'], ['x'.repeat(65)], [7], [null], [['m-1']]])('is not %p', (private_pool) => {
    expect(register({ private_pool })).toEqual(['private_pool']);
    expect(invoke({ local: { private_pool } })).toEqual(['local']);
  });

  it('is said with a prompt, as an object', () => {
    expect(invoke({ local: { private_pool: 'm-1' } })).toEqual([]);
    expect(invoke({ local: { private_pool: 'm-1' }, force: true })).toEqual([]);
    expect(invoke({ local: { private_pool: 'm-1' }, prompt: undefined })).toEqual(['local']);
    for (const local of ['m-1', {}, [], null]) expect(invoke({ local })).toEqual(['local']);
  });
});
