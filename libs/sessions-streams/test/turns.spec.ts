import { randomUUID } from 'node:crypto';
import { pageBytes } from '@holdfast/durable-streams';
import type { SessionKey } from '@holdfast/platform-postgres';
import { startStreams, type Streams } from './streams-fixture.js';

const unlimited = new AbortController().signal;

describe('turns', () => {
  let streams: Streams;
  beforeAll(async () => {
    streams = await startStreams();
  });
  afterAll(() => streams.stop());

  const claimOne = async (session: SessionKey) => {
    const runner = await streams.registerReplica(session.project_id);
    const [claimed] = await streams.claims.claim(runner, 1, 5, unlimited);
    return { runner, turn: claimed!.turn, epoch: claimed!.epoch };
  };
  const beatOf = (turn: { session_id: string; turn_id: string }, epoch: number, status: 'starting' | 'running') => ({
    session_id: turn.session_id,
    turn_id: turn.turn_id,
    epoch,
    status,
  });
  const types = async (session: SessionKey) => (await streams.events(session)).map(({ type }) => type);
  const expireLease = (session: SessionKey) =>
    streams.unitOfWork.run((tx) =>
      tx.query(`UPDATE session_streams SET lease_until = now() - interval '1 second' WHERE project_id = $1`, [
        session.project_id,
      ]),
    );
  const takeOverdue = (session: SessionKey) =>
    streams.unitOfWork.run(async (tx) => {
      const taken = await streams.turns.takeOverdue(tx, session);
      if (taken?.end) await streams.turns.end(tx, taken.turn, taken.end);
      return taken;
    });

  it('a session has one live turn: another is refused and names it (T1)', async () => {
    const session = await streams.openSession();
    const turn = await streams.startTurn(session);
    await expect(streams.startTurn(session)).rejects.toMatchObject({
      code: 'session_in_use',
      members: { turn_id: turn.turn_id, turn_status: 'queued' },
    });
  });

  it('of many prompts at once exactly one starts a turn (T1)', async () => {
    const session = await streams.openSession();
    const results = await Promise.allSettled(Array.from({ length: 10 }, () => streams.startTurn(session)));
    expect(results.filter(({ status }) => status === 'fulfilled')).toHaveLength(1);
    expect(await types(session)).toEqual(['session.created', 'turn.queued']);
  });

  it('of many runners exactly one gets a turn, with an epoch and a lease (T2)', async () => {
    const session = await streams.openSession();
    const replicas = await Promise.all(Array.from({ length: 6 }, () => streams.registerReplica(session.project_id)));
    await streams.startTurn(session);
    const claims = await Promise.all(replicas.map((runner) => streams.claims.claim(runner, 5, 0, unlimited)));
    expect(claims.flat()).toHaveLength(1);
    expect(claims.flat()[0]).toMatchObject({
      epoch: 1,
      resume_agent_session_id: null,
      turn: { status: 'starting', attempt: 1 },
    });
    expect((await streams.repository.stream(session))!.lease_until!.getTime()).toBeGreaterThan(Date.now());
  });

  it('a waiting claim is answered when a turn goes in line', async () => {
    const session = await streams.openSession();
    const runner = await streams.registerReplica(session.project_id);
    const waiting = streams.claims.claim(runner, 1, 20, unlimited);
    const turn = await streams.startTurn(session);
    expect((await waiting)[0]?.turn.turn_id).toBe(turn.turn_id);
  });

  it('a claim whose caller has left claims nothing', async () => {
    const session = await streams.openSession();
    const runner = await streams.registerReplica(session.project_id);
    await streams.startTurn(session);
    expect(await streams.claims.claim(runner, 1, 5, AbortSignal.abort())).toEqual([]);
  });

  it('a replica that never registered is told so, and so is one that acts for another key', async () => {
    const session = await streams.openSession();
    const runner = await streams.registerReplica(session.project_id);
    for (const stranger of [
      { ...runner, replica_id: randomUUID() },
      { ...runner, key_id: randomUUID() },
    ]) {
      await expect(streams.claims.claim(stranger, 1, 0, unlimited)).rejects.toMatchObject({ code: 'replica_unknown' });
      await expect(streams.beats.beat(stranger, [])).rejects.toMatchObject({ code: 'replica_unknown' });
      expect(await streams.claims.isRegistered(stranger)).toBe(false);
    }
    await expect(streams.claims.register({ ...runner, key_id: randomUUID() }, ['mine'])).rejects.toMatchObject({
      code: 'replica_taken',
    });
  });

  it("a runner of another project gets nothing of this one's", async () => {
    const session = await streams.openSession();
    await streams.startTurn(session);
    const stranger = await streams.registerReplica(randomUUID());
    expect(await streams.claims.claim(stranger, 10, 0, unlimited)).toEqual([]);
  });

  it('the first beat that says running makes it so, once, and renews the lease (T3)', async () => {
    const session = await streams.openSession();
    await streams.startTurn(session);
    const { runner, turn, epoch } = await claimOne(session);
    for (let i = 0; i < 3; i++) {
      expect(await streams.beats.beat(runner, [beatOf(turn, epoch, 'running')])).toEqual([
        { turn_id: turn.turn_id, epoch, is_current: true },
      ]);
    }
    expect(await types(session)).toEqual(['session.created', 'turn.queued', 'turn.starting', 'turn.running']);
  });

  it.each([
    ['another epoch', { epoch: 99 }],
    ['another turn', { turn_id: randomUUID() }],
    ['another session', { session_id: 'other' }],
  ])('a beat of %s keeps nothing alive (T3)', async (_, change) => {
    const session = await streams.openSession();
    await streams.startTurn(session);
    const { runner, turn, epoch } = await claimOne(session);
    const before = await streams.repository.stream(session);
    const [answer] = await streams.beats.beat(runner, [{ ...beatOf(turn, epoch, 'running'), ...change }]);
    expect(answer!.is_current).toBe(false);
    expect(await streams.repository.stream(session)).toEqual(before);
  });

  it('a beat of another replica keeps nothing alive (T3)', async () => {
    const session = await streams.openSession();
    await streams.startTurn(session);
    const { turn, epoch } = await claimOne(session);
    const before = await streams.repository.stream(session);
    const other = await streams.registerReplica(session.project_id);
    const [answer] = await streams.beats.beat(other, [beatOf(turn, epoch, 'running')]);
    expect(answer!.is_current).toBe(false);
    expect(await streams.repository.stream(session)).toEqual(before);
  });

  it('two attempts of one turn in one beat are told apart (T3)', async () => {
    const session = await streams.openSession();
    await streams.startTurn(session);
    const first = await claimOne(session);
    await expireLease(session);
    await takeOverdue(session);
    const second = await claimOne(session);
    const beats = [beatOf(first.turn, first.epoch, 'running'), beatOf(second.turn, second.epoch, 'starting')];
    expect(await streams.beats.beat(second.runner, beats)).toEqual([
      { turn_id: first.turn.turn_id, epoch: first.epoch, is_current: false },
      { turn_id: first.turn.turn_id, epoch: second.epoch, is_current: true },
    ]);
  });

  it('cancelling a turn that nobody claimed ends it; cancelling a claimed one tells its runner once (T4)', async () => {
    const session = await streams.openSession();
    await streams.startTurn(session);
    const stop = () =>
      streams.unitOfWork.run(async (tx) => {
        await streams.fences.lock(tx, session);
        return streams.turns.requestStop(tx, session);
      });
    const { runner, turn } = await claimOne(session);
    expect(await stop()).toMatchObject({ endNow: false, turn: { status: 'stopping' } });
    expect(await stop()).toMatchObject({ endNow: false, turn: { status: 'stopping' } });

    const control = { project_id: session.project_id, path: `runners/${runner.replica_id}/control` };
    const head = await streams.reader.head(control);
    const commands = JSON.parse(`[${pageBytes(await streams.reader.page(head, 0)).toString()}]`) as object[];
    expect(commands).toEqual([
      {
        command_id: expect.any(String),
        type: 'cancel',
        session_id: session.session_id,
        turn_id: turn.turn_id,
        epoch: 1,
      },
    ]);
  });

  it('a runner may end its turn once; its retry gets the same answer, anybody else stale_epoch (T5)', async () => {
    const session = await streams.openSession();
    await streams.startTurn(session);
    const { turn, epoch } = await claimOne(session);
    const complete = (fence: object) =>
      streams.unitOfWork.run(async (tx) => {
        const locked = await streams.turns.lockForEnd(tx, { ...session, turn_id: turn.turn_id, epoch, ...fence });
        if (locked.alreadyEnded) return locked.turn;
        return streams.turns.end(tx, locked.turn, {
          status: 'completed',
          stop_reason: 'end_turn',
          usage: null,
          error: null,
        });
      });
    await expect(complete({ epoch: epoch + 1 })).rejects.toMatchObject({ code: 'stale_epoch' });
    const first = await complete({});
    expect(first).toMatchObject({ status: 'completed', stop_reason: 'end_turn' });
    expect(await complete({})).toEqual(first);
    await streams.startTurn(session);
    await claimOne(session);
    expect(await complete({})).toEqual(first);
    await expect(complete({ turn_id: randomUUID() })).rejects.toMatchObject({ code: 'turn_not_found' });
    expect((await types(session)).filter((type) => type === 'turn.completed')).toHaveLength(1);
  });

  it('a turn that ran and lost its owner is lost, and its late runner can write nothing more (T6)', async () => {
    const session = await streams.openSession();
    await streams.startTurn(session);
    const { runner, turn, epoch } = await claimOne(session);
    await streams.beats.beat(runner, [beatOf(turn, epoch, 'running')]);
    await expireLease(session);
    await takeOverdue(session);

    expect(await streams.repository.turn(session.project_id, turn.turn_id)).toMatchObject({
      status: 'lost',
      error: { code: 'owner_lost' },
    });
    expect((await types(session)).slice(-2)).toEqual(['turn.attempt_lost', 'turn.lost']);
    expect(await streams.beats.beat(runner, [beatOf(turn, epoch, 'running')])).toEqual([
      { turn_id: turn.turn_id, epoch, is_current: false },
    ]);
    await expect(
      streams.unitOfWork.run((tx) => streams.fences.hold(tx, { ...session, turn_id: turn.turn_id, epoch })),
    ).rejects.toMatchObject({ code: 'stale_epoch' });
  });

  it('a turn that never ran goes back in line under a new epoch (T6)', async () => {
    const session = await streams.openSession();
    await streams.startTurn(session);
    const first = await claimOne(session);
    await expireLease(session);
    await takeOverdue(session);
    const second = await claimOne(session);
    expect(second.turn).toMatchObject({ turn_id: first.turn.turn_id, attempt: 2 });
    expect(second.epoch).toBeGreaterThan(first.epoch);
  });

  it('a late end of a turn that was taken is refused, not taken for a retry (T5)', async () => {
    const session = await streams.openSession();
    await streams.startTurn(session);
    const { runner, turn, epoch } = await claimOne(session);
    await streams.beats.beat(runner, [beatOf(turn, epoch, 'running')]);
    await expireLease(session);
    await takeOverdue(session);
    await expect(
      streams.unitOfWork.run((tx) => streams.turns.lockForEnd(tx, { ...session, turn_id: turn.turn_id, epoch })),
    ).rejects.toMatchObject({ code: 'stale_epoch' });
  });

  it('a turn whose lease was renewed meanwhile is left alone (T6)', async () => {
    const session = await streams.openSession();
    await streams.startTurn(session);
    const { turn } = await claimOne(session);
    expect(await takeOverdue(session)).toBeUndefined();
    expect((await streams.repository.turn(session.project_id, turn.turn_id))!.status).toBe('starting');
  });

  it('sweepers at the same time take a turn once (T6)', async () => {
    const session = await streams.openSession();
    await streams.startTurn(session);
    const { runner, turn, epoch } = await claimOne(session);
    await streams.beats.beat(runner, [beatOf(turn, epoch, 'running')]);
    await expireLease(session);
    const taken = await Promise.all(Array.from({ length: 8 }, () => takeOverdue(session)));
    expect(taken.filter(Boolean)).toHaveLength(1);
    expect((await types(session)).filter((type) => type === 'turn.lost')).toHaveLength(1);
  });

  it('the next turn of a session goes on with the conversation of its agent', async () => {
    const session = await streams.openSession();
    await streams.startTurn(session);
    const { runner, turn, epoch } = await claimOne(session);
    await streams.beats.beat(runner, [{ ...beatOf(turn, epoch, 'running'), agent_session_id: 'native-1' }]);
    await streams.unitOfWork.run(async (tx) => {
      const locked = await streams.turns.lockForEnd(tx, { ...session, turn_id: turn.turn_id, epoch });
      await streams.turns.end(tx, locked.turn, { status: 'completed', stop_reason: null, usage: null, error: null });
    });
    await streams.startTurn(session);
    const [next] = await streams.claims.claim(runner, 1, 0, unlimited);
    expect(next).toMatchObject({ resume_agent_session_id: 'native-1', epoch: 2, turn: { turn_index: 1 } });
  });

  it('another agent of the same harness does not go on with a conversation that is not its own', async () => {
    const session = await streams.openSession();
    await streams.startTurn(session);
    const { runner, turn, epoch } = await claimOne(session);
    await streams.beats.beat(runner, [{ ...beatOf(turn, epoch, 'running'), agent_session_id: 'native-1' }]);
    await streams.unitOfWork.run(async (tx) => {
      const locked = await streams.turns.lockForEnd(tx, { ...session, turn_id: turn.turn_id, epoch });
      await streams.turns.end(tx, locked.turn, { status: 'completed', stop_reason: null, usage: null, error: null });
    });
    await streams.startTurn(session, 'hello', 'another');
    const [next] = await streams.claims.claim(runner, 1, 0, unlimited);
    expect(next!.resume_agent_session_id).toBeNull();
  });

  it('replicas that were silent for a day are forgotten with their commands, unless they own a turn', async () => {
    const session = await streams.openSession();
    await streams.startTurn(session);
    const owner = await claimOne(session);
    const silent = await streams.registerReplica(session.project_id);
    await streams.unitOfWork.run((tx) =>
      tx.query(`UPDATE runner_replicas SET seen_at = now() - interval '25 hours' WHERE project_id = $1`, [
        session.project_id,
      ]),
    );
    await streams.claims.pruneReplicas(1000);
    expect(await streams.claims.isRegistered(owner.runner)).toBe(true);
    expect(await streams.claims.isRegistered(silent)).toBe(false);
    const control = { project_id: session.project_id, path: `runners/${silent.replica_id}/control` };
    await expect(streams.reader.head(control)).rejects.toMatchObject({ code: 'stream_not_found' });
  });
});
