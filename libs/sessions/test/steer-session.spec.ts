import { AgentsService } from '@holdfast/agents';
import { settle, startFlows, type Flows, type Project } from './flows-fixture.js';

describe('steering', () => {
  let flows: Flows;
  let project: Project;
  let sessions = 0;
  beforeAll(async () => {
    flows = await startFlows();
    project = await flows.newProject();
  });
  afterAll(() => flows.stop());

  const newId = () => `s-${(sessions += 1)}`;
  const steer = (session_id: string, delivery?: 'in_turn') => project.send(session_id, { force: true, delivery });
  const running = async (session_id: string) => {
    await project.send(session_id);
    const turn = await project.claim(session_id);
    await project.run(turn);
    return turn;
  };
  const statusesOf = async (...turn_ids: string[]) =>
    Promise.all(turn_ids.map(async (turn_id) => (await project.turn(turn_id)).status));

  it('B13: the live turn keeps its epoch until it has stopped, then the prompt takes its place', async () => {
    const session_id = newId();
    const live = await running(session_id);
    const steering = await steer(session_id);
    expect(await statusesOf(live.turn_id, steering)).toEqual(['stopping', 'inbox']);
    expect(await project.stream(session_id)).toMatchObject({ current_turn_id: live.turn_id, status: 'stopping' });

    await project.complete(live, 'cancelled');
    expect(await statusesOf(live.turn_id, steering)).toEqual(['superseded', 'queued']);
    expect((await project.types(session_id)).slice(-4)).toEqual([
      'turn.stopping',
      'turn.inbox',
      'turn.superseded',
      'turn.queued',
    ]);
    expect(await project.turn(steering)).toMatchObject({ turn_index: 1, delivery: 'steer' });
  });

  it.each(['completed', 'failed'] as const)(
    'a turn that had %s by itself before it stopped says so, and the prompt runs',
    async (status) => {
      const session_id = newId();
      const live = await running(session_id);
      const steering = await steer(session_id);
      await project.complete(live, status);
      expect(await statusesOf(live.turn_id, steering)).toEqual([status, 'queued']);
    },
  );

  it('a turn that nobody runs is superseded at once', async () => {
    const session_id = newId();
    const waiting = await project.send(session_id);
    const steering = await steer(session_id);
    expect(await statusesOf(waiting, steering)).toEqual(['superseded', 'queued']);
    expect((await project.types(session_id)).slice(-2)).toEqual(['turn.superseded', 'turn.queued']);
    const claimed = await project.claim(session_id);
    expect(claimed.turn_id).toBe(steering);
  });

  it('a prompt that replaces a turn which nobody runs goes before what was queued', async () => {
    const session_id = newId();
    await project.send(session_id);
    const queued = await project.send(session_id, { on_busy: 'queue' });
    const steering = await steer(session_id);
    expect(await statusesOf(steering, queued)).toEqual(['queued', 'inbox']);
  });

  it('a second steer ends the first one, which never ran, and goes before what was queued', async () => {
    const session_id = newId();
    const live = await running(session_id);
    const queued = await project.send(session_id, { on_busy: 'queue' });
    const first = await steer(session_id);
    const second = await steer(session_id);
    expect(await statusesOf(first, second)).toEqual(['superseded', 'inbox']);
    expect(await project.turn(first)).toMatchObject({ turn_index: null, attempt: 0 });
    expect(await project.inbox(session_id)).toEqual([second, queued]);

    await project.complete(live, 'cancelled');
    expect(await statusesOf(live.turn_id, second, queued)).toEqual(['superseded', 'queued', 'inbox']);
  });

  it('C13: what the superseded turn asked is asked no more when it has ended', async () => {
    const session_id = newId();
    const live = await running(session_id);
    await project.ask(live);
    await steer(session_id);
    await project.complete(live, 'cancelled');
    expect(await project.types(session_id)).toEqual(
      expect.arrayContaining(['interaction.requested', 'interaction.cancelled']),
    );
  });

  it('of a steer and the natural end of the turn both happen, in either order: nothing is lost or doubled', async () => {
    for (let round = 0; round < 10; round++) {
      const session_id = newId();
      const live = await running(session_id);
      const [ended, steering] = await Promise.all([project.complete(live), steer(session_id)]);
      expect(ended.status).toBe('completed');
      expect(await statusesOf(live.turn_id, steering)).toEqual(['completed', 'queued']);
      const types = await project.types(session_id);
      expect(types.filter((type) => type === 'turn.completed')).toHaveLength(1);
      expect(types.filter((type) => type === 'turn.queued')).toHaveLength(2);
    }
  });

  it('of many who steer at once the last one runs, and each of the others is superseded', async () => {
    const session_id = newId();
    const live = await running(session_id);
    const { done } = await settle(Array.from({ length: 8 }, () => steer(session_id)));
    expect(done).toHaveLength(8);
    const [next, ...others] = await project.inbox(session_id);
    expect(others).toEqual([]);
    const losers = done.filter((turn_id) => turn_id !== next);
    expect(await statusesOf(...losers)).toEqual(Array(7).fill('superseded'));
    await project.complete(live, 'cancelled');
    expect(await statusesOf(next!)).toEqual(['queued']);
  });

  describe('in the turn', () => {
    it('the prompt is handed to the runner, and waits before all others until that has taken it', async () => {
      const session_id = newId();
      const live = await running(session_id);
      const queued = await project.send(session_id, { on_busy: 'queue' });
      const offered = await project.send(session_id, { prompt: 'also this', force: true, delivery: 'in_turn' });
      expect(await project.inbox(session_id)).toEqual([offered, queued]);
      expect(await statusesOf(live.turn_id)).toEqual(['running']);
      const told = (await project.commands()).filter(({ turn_id }) => turn_id === live.turn_id);
      expect(told).toEqual([
        expect.objectContaining({ type: 'steer', prompt_turn_id: offered, prompt: 'also this', epoch: live.epoch }),
      ]);
    });

    it('a prompt for another agent is handed to nobody: it runs as a turn of its own, before all others', async () => {
      const session_id = newId();
      const live = await running(session_id);
      const queued = await project.send(session_id, { on_busy: 'queue' });
      const agent = { name: 'claude' };
      const other = await project.send(session_id, { agent, force: true, delivery: 'in_turn' });
      expect(await project.inbox(session_id)).toEqual([other, queued]);
      expect((await project.commands()).filter(({ turn_id }) => turn_id === live.turn_id)).toEqual([]);
      expect(await project.turn(other)).toMatchObject({ delivery: 'in_turn', in_turn_of: null });
      await project.complete(live);
      expect(await statusesOf(other)).toEqual(['queued']);
    });

    it('a prompt that names the agent of the live turn is handed to it', async () => {
      const session_id = newId();
      const live = await running(session_id);
      const agent = { name: 'scripted', revision: 1 };
      const offered = await project.send(session_id, { agent, force: true, delivery: 'in_turn' });
      const told = (await project.commands()).filter(({ turn_id }) => turn_id === live.turn_id);
      expect(told).toMatchObject([{ type: 'steer', prompt_turn_id: offered }]);
    });

    it('a prompt that names no agent is for that of the live turn, though its agent has a newer revision by now', async () => {
      const session_id = newId();
      const live = await running(session_id);
      const owner = { project_id: project.project_id, by_id: project.principal.key_id };
      await flows.app.get(AgentsService).setAgent(owner, 'scripted', { harness: 'scripted', model: 'newer' });
      const offered = await steer(session_id, 'in_turn');
      expect(await project.turn(offered)).toMatchObject({ in_turn_of: live.turn_id, agent: { revision: 1 } });
    });

    it('nothing is lost when the turn ends first: the prompt runs as a turn of its own', async () => {
      const session_id = newId();
      const live = await running(session_id);
      const offered = await steer(session_id, 'in_turn');
      await project.complete(live);
      expect(await statusesOf(offered)).toEqual(['queued']);
      expect((await project.claim(session_id)).turn_id).toBe(offered);
    });

    it('prompts that nobody takes run in the order in which they were sent, before all others', async () => {
      const session_id = newId();
      await running(session_id);
      const queued = await project.send(session_id, { on_busy: 'queue' });
      const offered = [
        await steer(session_id, 'in_turn'),
        await steer(session_id, 'in_turn'),
        await steer(session_id, 'in_turn'),
      ];
      expect(await project.inbox(session_id)).toEqual([...offered, queued]);
      const told = (await project.events(session_id)).filter(({ type }) => type === 'turn.inbox');
      expect(told.map(({ data }) => (data as { position: number }).position)).toEqual([0, 0, 1, 2]);
    });

    it('a prompt that was offered is no turn that a steer replaces', async () => {
      const session_id = newId();
      await running(session_id);
      const offered = await steer(session_id, 'in_turn');
      const steering = await steer(session_id);
      expect(await project.inbox(session_id)).toEqual([steering, offered]);
    });
  });
});
