import { startFlows, type Flows, type Project } from './flows-fixture.js';

describe('a kill', () => {
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

  it('C1: ends the turn and what waits, tells the runner, and leaves the session to be used again', async () => {
    const session_id = newId();
    const live = await running(session_id);
    const waiting = await project.send(session_id, { on_busy: 'queue' });
    expect(await project.kill(session_id)).toEqual({
      session_id,
      turn_id: live.turn_id,
      withdrawn_turn_ids: [waiting],
    });
    expect(await project.turn(live.turn_id)).toMatchObject({ status: 'cancelled', stop_reason: 'killed' });
    expect(await project.turn(waiting)).toMatchObject({ status: 'cancelled', stop_reason: 'killed' });
    expect((await project.commands()).filter(({ turn_id }) => turn_id === live.turn_id)).toEqual([
      expect.objectContaining({ type: 'kill', epoch: live.epoch }),
    ]);
    expect((await project.types(session_id)).at(-1)).toBe('session.killed');
    expect(await project.liveness(session_id)).toMatchObject({ status: 'idle', alive: false, sandbox_live: false });
  });

  it('C4: a prompt after it starts the same session again', async () => {
    const session_id = newId();
    await running(session_id);
    await project.kill(session_id);
    const next = await project.send(session_id);
    expect(await project.turn(next)).toMatchObject({ status: 'queued', turn_index: 1 });
    expect((await project.claim(session_id)).turn_id).toBe(next);
  });

  it('C2: the killed owner owns nothing any more: its epoch is stale, and another one may claim at once', async () => {
    const session_id = newId();
    const live = await running(session_id);
    await project.kill(session_id);
    await expect(project.complete(live)).rejects.toMatchObject({ code: 'stale_epoch' });
    await expect(project.ask(live)).rejects.toMatchObject({ code: 'stale_epoch' });
    await project.send(session_id);
    expect((await project.claim(session_id)).epoch).toBeGreaterThan(live.epoch);
  });

  it('C3: is idempotent, and needs no answer of the runner', async () => {
    const session_id = newId();
    const live = await running(session_id);
    await project.kill(session_id);
    const before = await project.events(session_id);
    expect(await project.kill(session_id)).toEqual({ session_id, turn_id: null, withdrawn_turn_ids: [] });
    expect(await project.events(session_id)).toEqual(before);
    expect(before.filter(({ turn_id, type }) => turn_id === live.turn_id && type === 'turn.cancelled')).toHaveLength(1);
    await expect(project.kill(newId())).rejects.toMatchObject({ code: 'session_not_found' });
  });

  it('F18: closes the open questions of the turn', async () => {
    const session_id = newId();
    await project.ask(await running(session_id));
    await project.kill(session_id);
    expect((await project.types(session_id)).slice(-3)).toEqual([
      'interaction.cancelled',
      'turn.cancelled',
      'session.killed',
    ]);
  });

  it('ends a turn as cancelled that was about to be superseded', async () => {
    const session_id = newId();
    const live = await running(session_id);
    const steering = await project.send(session_id, { force: true });
    await project.kill(session_id);
    expect((await project.turn(live.turn_id)).status).toBe('cancelled');
    expect((await project.turn(steering)).status).toBe('cancelled');
  });

  it('of a kill and a claim either may come first: the killed turn has no owner in the end', async () => {
    for (let round = 0; round < 10; round++) {
      const another = await flows.newProject();
      const session_id = newId();
      const turn_id = await another.send(session_id);
      const [claimed] = await Promise.all([another.claimAll(), another.kill(session_id)]);
      expect((await another.turn(turn_id)).status).toBe('cancelled');
      expect(await another.stream(session_id)).toMatchObject({ status: 'idle', owner_replica_id: null });
      for (const owned of claimed) {
        await expect(another.complete(owned)).rejects.toMatchObject({ code: 'stale_epoch' });
      }
    }
  });

  it('of many at once one ends the turn', async () => {
    const session_id = newId();
    const live = await running(session_id);
    const kills = await Promise.all(Array.from({ length: 6 }, () => project.kill(session_id)));
    expect(kills.filter(({ turn_id }) => turn_id === live.turn_id)).toHaveLength(1);
  });
});
