import { randomUUID } from 'node:crypto';
import { eventually } from '@holdfast/testing';
import type { SessionKey } from '@holdfast/platform-postgres';
import { TurnLine } from '../src/control/turn-line.js';
import { leaseScenario, stopTheClock, unlimited, type LeaseScenario } from './lease-scenario.js';
import { startStreams, type Streams } from './streams-fixture.js';

describe('claiming turns', () => {
  let streams: Streams;
  let scenario: LeaseScenario;
  beforeAll(async () => {
    streams = await startStreams();
    scenario = leaseScenario(streams);
  });
  afterAll(() => streams.stop());
  afterEach(() => jest.restoreAllMocks());

  const ids = (claimed: { turn: { turn_id: string } }[]) => claimed.map(({ turn }) => turn.turn_id);
  const sessionsOf = (project_id: string, count: number): Promise<SessionKey[]> =>
    Promise.all(Array.from({ length: count }, () => streams.openSession(project_id)));

  it('T2: of many runners exactly one gets a turn, with an epoch and a lease of its own', async () => {
    const session = await streams.openSession();
    const replicas = await Promise.all(Array.from({ length: 6 }, () => streams.registerReplica(session.project_id)));
    await streams.startTurn(session);
    const claims = (await Promise.all(replicas.map((runner) => streams.claims.claim(runner, 5, 0, unlimited)))).flat();
    expect(claims).toMatchObject([
      { epoch: 1, resume_agent_session_id: null, turn: { status: 'starting', attempt: 1 } },
    ]);
    expect(await scenario.leaseLeft(session)).toBeGreaterThan(0);
    expect(await scenario.types(session)).toEqual(['session.created', 'turn.queued', 'turn.starting']);
  });

  it('T2: a turn that somebody else claimed since the line was read is left alone', async () => {
    const session = await streams.openSession();
    const { turn } = await scenario.claimed(session);
    const late = await streams.registerReplica(session.project_id);
    jest.spyOn(streams.leases, 'queuedTurns').mockResolvedValueOnce([turn]);
    expect(await streams.claims.claim(late, 1, 0, unlimited)).toEqual([]);
    expect(await streams.repository.turn(session.project_id, turn.turn_id)).toMatchObject({
      epoch: 1,
      attempt: 1,
      replica_id: turn.replica_id,
    });
  });

  it('B19: owner, epoch, status and event of a claim are committed together or not at all', async () => {
    const session = await streams.openSession();
    const turn = await streams.startTurn(session);
    const runner = await streams.registerReplica(session.project_id);
    const before = await scenario.owner(session);
    await streams.unitOfWork.query(
      `UPDATE log_streams SET path = path || '-away' WHERE project_id = $1 AND path LIKE 's%'`,
      [session.project_id],
    );
    expect(await streams.claims.claim(runner, 1, 0, unlimited)).toEqual([]);
    expect(await scenario.owner(session)).toEqual(before);
    expect(await streams.repository.turn(session.project_id, turn.turn_id)).toMatchObject({
      status: 'queued',
      epoch: null,
    });
  });

  it('a turn that cannot be claimed does not hold up those behind it', async () => {
    const project_id = randomUUID();
    const [broken, sound] = await sessionsOf(project_id, 2);
    await streams.startTurn(broken!);
    await streams.unitOfWork.query(`DELETE FROM log_streams WHERE project_id = $1 AND path LIKE $2`, [
      project_id,
      `%${broken!.session_id}%`,
    ]);
    const turn = await streams.startTurn(sound!);
    const runner = await streams.registerReplica(project_id);
    expect(ids(await streams.claims.claim(runner, 2, 0, unlimited))).toEqual([turn.turn_id]);
  });

  it('a claim that waits is answered by the signal of a turn that goes in line', async () => {
    jest.spyOn(streams.leases, 'queuedDemands').mockResolvedValue([]);
    const session = await streams.openSession();
    const runner = await streams.registerReplica(session.project_id);
    const waiting = streams.claims.claim(runner, 1, 20, unlimited);
    const turn = await streams.startTurn(session);
    expect(ids(await waiting)).toEqual([turn.turn_id]);
  });

  it('a claim that waits finds a turn whose signal was lost', async () => {
    const session = await streams.openSession();
    const runner = await streams.registerReplica(session.project_id);
    const waiting = streams.claims.claim(runner, 1, 20, unlimited);
    const silent = jest.spyOn(TurnLine.prototype, 'announce').mockResolvedValue();
    const turn = await streams.startTurn(session);
    silent.mockRestore();
    expect(ids(await waiting)).toEqual([turn.turn_id]);
  });

  it('a turn in line wakes one of many idle runners, not all of them', async () => {
    const project_id = randomUUID();
    const leaving = new AbortController();
    const session = await streams.openSession(project_id);
    const replicas = await Promise.all(Array.from({ length: 50 }, () => streams.registerReplica(project_id)));
    const looks = jest.spyOn(streams.leases, 'queuedTurns');
    const claims = replicas.map((runner) => streams.claims.claim(runner, 1, 30, AbortSignal.any([leaving.signal])));
    await eventually(() => expect(looks).toHaveBeenCalledTimes(50));
    await Promise.all(looks.mock.results.map(({ value }) => value as unknown));
    looks.mockClear();

    const turn = await streams.startTurn(session);
    expect(ids(await Promise.race(claims))).toEqual([turn.turn_id]);
    // One for the signal; looks at the line that came between may have told others.
    expect(looks.mock.calls.length).toBeLessThanOrEqual(10);
    leaving.abort();
    expect((await Promise.all(claims)).flat()).toHaveLength(1);
  });

  it('as many idle runners as there are new turns get one each', async () => {
    const project_id = randomUUID();
    const sessions = await sessionsOf(project_id, 5);
    const replicas = await Promise.all(sessions.map(() => streams.registerReplica(project_id)));
    const claims = replicas.map((runner) => streams.claims.claim(runner, 1, 20, unlimited));
    const turns = await Promise.all(sessions.map((session) => streams.startTurn(session)));
    expect(ids((await Promise.all(claims)).flat()).sort()).toEqual(turns.map(({ turn_id }) => turn_id).sort());
  });

  it('T2: with two processes each turn is claimed once, and each hears of the turns of the other', async () => {
    stopTheClock();
    const other = await startStreams(streams);
    const project_id = randomUUID();
    const [here, there] = [await streams.registerReplica(project_id), await other.registerReplica(project_id)];
    const sessions = await sessionsOf(project_id, 8);
    for (const session of sessions) await streams.startTurn(session);
    const claims = await Promise.all([
      streams.claims.claim(here, 8, 0, unlimited),
      other.claims.claim(there, 8, 0, unlimited),
      other.claims.claim(there, 8, 0, unlimited),
    ]);
    const rest = await streams.claims.claim(here, 8, 0, unlimited);
    expect(ids([...claims.flat(), ...rest])).toHaveLength(8);
    expect(new Set(ids([...claims.flat(), ...rest])).size).toBe(8);
    jest.restoreAllMocks();

    const waiting = other.claims.claim(there, 1, 20, unlimited);
    const turn = await streams.startTurn(await streams.openSession(project_id));
    expect(ids(await waiting)).toEqual([turn.turn_id]);
    await other.stop();
  });

  it('one claim takes as many turns as it asks for, the oldest first', async () => {
    stopTheClock();
    const project_id = randomUUID();
    const turns = [];
    for (const session of await sessionsOf(project_id, 5)) turns.push(await streams.startTurn(session));
    const runner = await streams.registerReplica(project_id);
    expect(ids(await streams.claims.claim(runner, 3, 0, unlimited))).toEqual(
      turns.slice(0, 3).map(({ turn_id }) => turn_id),
    );
    expect(ids(await streams.claims.claim(runner, 3, 0, unlimited))).toEqual(
      turns.slice(3).map(({ turn_id }) => turn_id),
    );
  });

  it('a turn goes to a runner of its pool', async () => {
    const session = await streams.openSession();
    const turn = await streams.startTurn(session, 'hello', 'scripted', { pool: 'gpu' });
    const wrong = await streams.registerReplica(session.project_id);
    const right = await streams.registerReplica(session.project_id, { pools: ['default', 'gpu'] });
    expect(await streams.claims.claim(wrong, 1, 0, unlimited)).toEqual([]);
    expect(ids(await streams.claims.claim(right, 1, 0, unlimited))).toEqual([turn.turn_id]);
  });

  it('a turn goes to a runner that has all of its labels, however long others wait', async () => {
    jest.spyOn(streams.leases, 'queuedDemands').mockResolvedValue([]);
    const session = await streams.openSession();
    const leaving = new AbortController();
    const offers = [['os=linux'], [], ['os=linux', 'gpu=a100', 'zone=eu']];
    const [some, none, all] = await Promise.all(
      offers.map((labels) => streams.registerReplica(session.project_id, { labels })),
    );
    const poor = [some!, none!].map((runner) => streams.claims.claim(runner, 1, 30, AbortSignal.any([leaving.signal])));
    const rich = streams.claims.claim(all!, 1, 20, unlimited);
    const turn = await streams.startTurn(session, 'hello', 'scripted', { labels: ['gpu=a100', 'os=linux'] });
    expect(ids(await rich)).toEqual([turn.turn_id]);
    leaving.abort();
    expect((await Promise.all(poor)).flat()).toEqual([]);
  });

  it('turns that nobody here can take do not hide those behind them', async () => {
    const project_id = randomUUID();
    const sessions = await sessionsOf(project_id, 13);
    for (const session of sessions.slice(1)) {
      await streams.startTurn(session, 'hello', 'scripted', { labels: ['gpu=a100'] });
    }
    const turn = await streams.startTurn(sessions[0]!);
    const runner = await streams.registerReplica(project_id);
    expect(ids(await streams.claims.claim(runner, 1, 0, unlimited))).toEqual([turn.turn_id]);
  });

  it('turns that nobody here can take hide none from a claim that waits, though no signal told of it', async () => {
    const project_id = randomUUID();
    const [first, ...others] = await sessionsOf(project_id, 102);
    const silent = jest.spyOn(TurnLine.prototype, 'announce').mockResolvedValue();
    for (const session of others) await streams.startTurn(session, 'hello', 'scripted', { labels: ['gpu=a100'] });
    const runner = await streams.registerReplica(project_id, { pools: ['other', 'default'], labels: ['os=linux'] });
    const looked = jest.spyOn(streams.leases, 'queuedTurns');
    const waiting = streams.claims.claim(runner, 1, 20, unlimited);
    await eventually(() => expect(looked).toHaveBeenCalled());
    const turn = await streams.startTurn(first!, 'hello', 'scripted', { labels: ['os=linux'] });
    silent.mockRestore();
    expect(ids(await waiting)).toEqual([turn.turn_id]);
  });

  it('turns of several pools are claimed in the order in which they came', async () => {
    stopTheClock();
    const project_id = randomUUID();
    const turns = [];
    for (const [index, session] of (await sessionsOf(project_id, 4)).entries()) {
      turns.push(await streams.startTurn(session, 'hello', 'scripted', { pool: index % 2 ? 'a' : 'b' }));
    }
    const runner = await streams.registerReplica(project_id, { pools: ['a', 'b'] });
    expect(ids(await streams.claims.claim(runner, 3, 0, unlimited))).toEqual(
      turns.slice(0, 3).map(({ turn_id }) => turn_id),
    );
  });

  it('a claim whose caller has left claims nothing', async () => {
    const session = await streams.openSession();
    const runner = await streams.registerReplica(session.project_id);
    await streams.startTurn(session);
    expect(await streams.claims.claim(runner, 1, 5, AbortSignal.abort())).toEqual([]);
  });

  it("A1: a runner of another project gets nothing of this one's, though their sessions have the same id", async () => {
    const session = await streams.openSession();
    const namesake = { project_id: randomUUID(), session_id: session.session_id };
    await streams.makeSession(namesake);
    await streams.startTurn(session);
    const stranger = await streams.registerReplica(namesake.project_id);
    expect(await streams.claims.claim(stranger, 10, 0, unlimited)).toEqual([]);
    const theirs = await streams.startTurn(namesake);
    expect(ids(await streams.claims.claim(stranger, 10, 0, unlimited))).toEqual([theirs.turn_id]);
    expect(await scenario.owner(session)).toMatchObject({ owner_replica_id: null });
  });
});
