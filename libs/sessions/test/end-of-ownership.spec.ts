import { randomUUID } from 'node:crypto';
import { SessionInteractionsReader } from '@holdfast/sessions-interactions';
import { ClaimTurnsFlow, HandOverTurnFlow, MergePromptFlow } from '../src/index.js';
import { settle, startFlows, unlimited, type Flows, type OwnedTurn, type Project } from './flows-fixture.js';

describe('how a runner gives up a turn', () => {
  let flows: Flows;
  let project: Project;
  beforeAll(async () => {
    flows = await startFlows();
    project = await flows.newProject();
  });
  afterAll(() => flows.stop());

  const running = async (): Promise<OwnedTurn> => {
    const session_id = `s-${randomUUID()}`;
    await project.send(session_id);
    const turn = await project.claim(session_id);
    await project.run(turn);
    return turn;
  };
  const handOver = (turn: OwnedTurn, reason = 'drain') =>
    flows.app.get(HandOverTurnFlow).run(project.project_id, { ...turn, reason });
  const count = async (turn: OwnedTurn, type: string) =>
    (await project.types(turn.session_id)).filter((one) => one === type).length;

  describe('by handing it over', () => {
    it('K5: the turn is in line again, its questions are closed, and another runner carries on', async () => {
      const turn = await running();
      const question = await project.ask(turn);
      expect(await handOver(turn)).toMatchObject({ status: 'queued', turn_id: turn.turn_id });
      expect(
        await flows.app.get(SessionInteractionsReader).fetch(project.project_id, question.interaction_id),
      ).toMatchObject({ status: 'cancelled' });
      await expect(project.complete(turn)).rejects.toMatchObject({ code: 'stale_epoch' });
      const next = await project.claim(turn.session_id);
      await project.complete(next);
      expect(await project.turn(turn.turn_id)).toMatchObject({ status: 'completed', attempt: 2 });
    });

    it('is bounded where its runners lost contact: then it is lost as by the sweep, and what waits takes its place', async () => {
      let turn = await running();
      const waiting = await project.send(turn.session_id, { on_busy: 'queue' });
      for (let attempt = 1; attempt < 3; attempt++) {
        expect(await handOver(turn, 'lost_contact')).toMatchObject({ status: 'queued' });
        turn = await project.claim(turn.session_id);
      }
      const lost = { status: 'lost', error: { code: 'owner_lost' } };
      expect(await handOver(turn, 'lost_contact')).toMatchObject(lost);
      expect(await handOver(turn, 'lost_contact')).toMatchObject(lost);
      expect(await project.turn(turn.turn_id)).toMatchObject({ ...lost, attempt: 3 });
      expect(await count(turn, 'turn.lost')).toBe(1);
      expect(await project.turn(waiting)).toMatchObject({ status: 'queued' });
      await expect(project.ask(turn)).rejects.toMatchObject({ code: 'turn_not_live' });
    });

    it('what it was told while it ran is told to the next runner too', async () => {
      const turn = await running();
      const told = await project.send(turn.session_id, { prompt: 'and this', force: true, delivery: 'in_turn' });
      await flows.app.get(MergePromptFlow).run(project.project_id, { ...turn, merged_turn_id: told });
      await handOver(turn);
      const claim = { capacity: 100, wait_seconds: 5 };
      const grants = await flows.app.get(ClaimTurnsFlow).run(project.runner, claim, unlimited);
      expect(grants.find(({ turn_id }) => turn_id === turn.turn_id)).toMatchObject({ prompt: 'hello\n\nand this' });
      expect(await project.turn(turn.turn_id)).toMatchObject({ prompt: 'hello' });
    });

    it.each([
      ['cancelled', {}],
      ['superseded', { prompt: 'instead', force: true }],
    ])('a turn that was to stop ends %s, and what waits takes its place', async (status, command) => {
      const turn = await running();
      const { turn_id } = await project.invoke({ session_id: turn.session_id, detached: true, ...command });
      expect(await handOver(turn)).toMatchObject({ status, stop_reason: status });
      expect(await handOver(turn)).toMatchObject({ status });
      expect(await count(turn, 'turn.handed_over')).toBe(0);
      if (turn_id !== turn.turn_id) expect(await project.turn(turn_id)).toMatchObject({ status: 'queued' });
    });

    it('hand-over and cancel at the same time leave the turn cancelled, whichever came first', async () => {
      for (let round = 0; round < 5; round++) {
        const turn = await running();
        const { codes } = await settle<unknown>([handOver(turn), project.cancel(turn.session_id), handOver(turn)]);
        expect(codes.filter((code) => code !== 'stale_epoch')).toEqual([]);
        expect(await project.turn(turn.turn_id)).toMatchObject({ status: 'cancelled' });
        expect(await count(turn, 'turn.cancelled')).toBe(1);
        expect(await project.stream(turn.session_id)).toMatchObject({ status: 'idle' });
      }
    });

    it('hand-over and complete at the same time: one of them is what happened', async () => {
      for (let round = 0; round < 5; round++) {
        const turn = await running();
        await settle<unknown>([handOver(turn), project.complete(turn)]);
        const { status } = await project.turn(turn.turn_id);
        expect(await count(turn, 'turn.completed')).toBe(status === 'completed' ? 1 : 0);
        expect(await count(turn, 'turn.handed_over')).toBe(status === 'completed' ? 0 : 1);
      }
    });
  });

  describe('by completing it', () => {
    it.each([
      ['cancelled', {}],
      ['superseded', { prompt: 'instead', force: true }],
    ])('one that was to stop and says no more than that it did ends %s', async (status, command) => {
      const turn = await running();
      await project.invoke({ session_id: turn.session_id, detached: true, ...command });
      expect(await project.complete(turn, 'cancelled')).toMatchObject({ status });
      expect(await project.complete(turn, 'cancelled')).toMatchObject({ status });
      expect(await count(turn, `turn.${status}`)).toBe(1);
    });

    it.each(['completed', 'failed'] as const)('one that was to stop but had %s before ends so', async (status) => {
      const turn = await running();
      await project.cancel(turn.session_id);
      expect(await project.complete(turn, status)).toMatchObject({ status });
    });
  });

  describe('by merging another into it', () => {
    const merge = (turn: OwnedTurn, merged_turn_id: string) =>
      flows.app.get(MergePromptFlow).run(project.project_id, { ...turn, merged_turn_id });
    const offer = (turn: OwnedTurn) =>
      project.send(turn.session_id, { prompt: 'also this', force: true, delivery: 'in_turn' });

    it('a prompt that the agent took is no turn of its own any more; a retry is answered alike', async () => {
      const turn = await running();
      const offered = await offer(turn);
      expect((await project.commands()).at(-1)).toMatchObject({ type: 'steer', prompt_turn_id: offered });
      expect(await merge(turn, offered)).toMatchObject({ status: 'merged', turn_id: offered });
      expect(await merge(turn, offered)).toMatchObject({ status: 'merged' });
      expect((await project.events(turn.session_id)).at(-1)).toMatchObject({
        type: 'turn.merged',
        turn_id: offered,
        data: { into_turn_id: turn.turn_id },
      });
      expect(await count(turn, 'turn.merged')).toBe(1);
      expect(await project.inbox(turn.session_id)).toEqual([]);
      await project.complete(turn);
      expect(await merge(turn, offered)).toMatchObject({ status: 'merged' });
      expect(await project.stream(turn.session_id)).toMatchObject({ status: 'idle' });
    });

    it('a prompt that nobody took before the turn ended runs as a turn of its own', async () => {
      const turn = await running();
      const offered = await offer(turn);
      await project.complete(turn);
      expect(await project.turn(offered)).toMatchObject({ status: 'queued' });
      await expect(merge(turn, offered)).rejects.toMatchObject({
        code: expect.stringMatching(/^(turn_not_live|stale_epoch)$/),
      });
      expect(await project.turn(offered)).toMatchObject({ status: 'queued' });
    });

    it('a prompt that was not offered to the turn is left alone', async () => {
      const turn = await running();
      const queued = await project.send(turn.session_id, { on_busy: 'queue' });
      await expect(merge(turn, queued)).rejects.toMatchObject({
        code: 'prompt_not_offered',
        members: { turn_status: 'inbox' },
      });
      await expect(merge(turn, turn.turn_id)).rejects.toMatchObject({ code: 'prompt_not_offered' });
      await expect(merge(turn, randomUUID())).rejects.toMatchObject({ code: 'turn_not_found' });
      expect(await project.inbox(turn.session_id)).toEqual([queued]);
    });

    it('a withdrawn prompt is not merged, and one that was merged is not withdrawn', async () => {
      const turn = await running();
      const withdrawn = await offer(turn);
      await project.withdraw(turn.session_id, withdrawn);
      await expect(merge(turn, withdrawn)).rejects.toMatchObject({
        code: 'prompt_not_offered',
        members: { turn_status: 'cancelled' },
      });
      const merged = await offer(turn);
      await merge(turn, merged);
      await expect(project.withdraw(turn.session_id, merged)).rejects.toMatchObject({ code: 'not_in_inbox' });
    });

    it('a runner that lost the turn merges nothing into it', async () => {
      const turn = await running();
      const offered = await offer(turn);
      await handOver(turn);
      await expect(merge(turn, offered)).rejects.toMatchObject({ code: 'stale_epoch' });
      expect(await project.inbox(turn.session_id)).toEqual([offered]);
    });
  });
});
