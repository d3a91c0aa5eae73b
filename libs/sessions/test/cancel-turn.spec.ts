import { startFlows, type Flows, type Project } from './flows-fixture.js';

describe('a cancel', () => {
  let flows: Flows;
  let project: Project;
  let sessions = 0;
  beforeAll(async () => {
    flows = await startFlows();
    project = await flows.newProject();
  });
  afterAll(() => flows.stop());

  const newId = () => `s-${(sessions += 1)}`;
  const running = async (session_id: string) => {
    await project.send(session_id);
    const turn = await project.claim(session_id);
    await project.run(turn);
    return turn;
  };

  it('C1: ends the turn and not the session: the next prompt goes on in it', async () => {
    const session_id = newId();
    const turn = await running(session_id);
    await project.cancel(session_id);
    await project.complete(turn, 'cancelled');
    expect(await project.turn(turn.turn_id)).toMatchObject({ status: 'cancelled' });
    expect(await project.turn(await project.send(session_id))).toMatchObject({ status: 'queued', turn_index: 1 });
  });

  it('C13: closes what the turn asked when it has ended', async () => {
    const session_id = newId();
    const turn = await running(session_id);
    await project.ask(turn);
    await project.cancel(session_id);
    await project.complete(turn, 'cancelled');
    expect((await project.types(session_id)).slice(-3)).toEqual([
      'turn.stopping',
      'interaction.cancelled',
      'turn.cancelled',
    ]);
  });

  it('and the natural end of the turn at once give it one end, which is how it really ended', async () => {
    for (let round = 0; round < 10; round++) {
      const session_id = newId();
      const turn = await running(session_id);
      const [cancel, ended] = await Promise.allSettled([project.cancel(session_id), project.complete(turn)]);
      expect(ended).toMatchObject({ status: 'fulfilled', value: { status: 'completed' } });
      if (cancel.status === 'rejected') expect(cancel.reason).toMatchObject({ code: 'no_live_turn' });
      const ends = (await project.types(session_id)).filter((type) => /^turn\.(completed|cancelled)$/.test(type));
      expect(ends).toEqual(['turn.completed']);
    }
  });

  it('and a claim at once leave either a turn that never ran or one that is told to stop', async () => {
    for (let round = 0; round < 10; round++) {
      const another = await flows.newProject();
      const session_id = newId();
      const turn_id = await another.send(session_id);
      const [, claimed] = await Promise.all([another.cancel(session_id), another.claimAll()]);
      const told = (await another.commands()).map(({ type }) => type);
      const { status } = await another.turn(turn_id);
      expect([status, told]).toEqual(claimed.length ? ['stopping', ['cancel']] : ['cancelled', []]);
    }
  });

  describe('of a named turn', () => {
    const cancel = (session_id: string, turn_id: string, key?: string) => project.invoke({ session_id, turn_id }, key);

    it('ends that one, and repeated without a key never the one that took its place', async () => {
      const session_id = newId();
      const turn = await running(session_id);
      const next = await project.send(session_id, { on_busy: 'queue' });
      expect(await cancel(session_id, turn.turn_id)).toMatchObject({ mode: 'cancel', turn_id: turn.turn_id });
      expect(await project.turn(turn.turn_id)).toMatchObject({ status: 'stopping' });
      await project.complete(turn, 'cancelled');
      const before = await project.events(session_id);
      expect(await cancel(session_id, turn.turn_id)).toMatchObject({ mode: 'cancel', turn_id: turn.turn_id });
      expect(await project.turn(next)).toMatchObject({ status: 'queued' });
      expect(await project.events(session_id)).toEqual(before);
    });

    it('that is over changes nothing, however it ended, and whether or not another one is live', async () => {
      const session_id = newId();
      const turn = await running(session_id);
      await project.complete(turn);
      expect(await cancel(session_id, turn.turn_id)).toMatchObject({ turn_id: turn.turn_id });
      expect(await project.turn(turn.turn_id)).toMatchObject({ status: 'completed' });
      expect((await project.types(session_id)).at(-1)).toBe('turn.completed');
    });

    it('that waits is a 409 which says to withdraw it, and leaves the live one alone', async () => {
      const session_id = newId();
      const turn = await running(session_id);
      const waiting = await project.send(session_id, { on_busy: 'queue' });
      await expect(cancel(session_id, waiting)).rejects.toMatchObject({
        code: 'turn_in_inbox',
        kind: 'conflict',
        message: expect.stringContaining('Withdraw'),
        members: { turn_id: waiting, turn_status: 'inbox' },
      });
      expect(await project.turn(waiting)).toMatchObject({ status: 'inbox' });
      expect(await project.turn(turn.turn_id)).toMatchObject({ status: 'running' });
    });

    it('that this session does not have is not found, and the live one goes on', async () => {
      const [session_id, other] = [newId(), newId()];
      const turn = await running(session_id);
      await expect(cancel(other, turn.turn_id)).rejects.toMatchObject({ code: 'session_not_found' });
      const elsewhere = await project.send(other);
      await expect(cancel(session_id, elsewhere)).rejects.toMatchObject({ code: 'turn_not_found' });
      expect(await project.turn(turn.turn_id)).toMatchObject({ status: 'running' });
      expect(await project.turn(elsewhere)).toMatchObject({ status: 'queued' });
    });
  });

  it('by many at once ends the turn once', async () => {
    const session_id = newId();
    await project.send(session_id);
    const cancels = await Promise.allSettled(Array.from({ length: 6 }, () => project.cancel(session_id)));
    expect(cancels.filter(({ status }) => status === 'fulfilled')).toHaveLength(1);
    expect((await project.types(session_id)).filter((type) => type === 'turn.cancelled')).toHaveLength(1);
  });
});
