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

  it('by many at once ends the turn once', async () => {
    const session_id = newId();
    await project.send(session_id);
    const cancels = await Promise.allSettled(Array.from({ length: 6 }, () => project.cancel(session_id)));
    expect(cancels.filter(({ status }) => status === 'fulfilled')).toHaveLength(1);
    expect((await project.types(session_id)).filter((type) => type === 'turn.cancelled')).toHaveLength(1);
  });
});
