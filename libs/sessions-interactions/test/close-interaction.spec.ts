import { randomUUID } from 'node:crypto';
import type { TurnFence } from '@holdfast/platform-postgres';
import { aQuestion, openInteractions, type OpenInteractions } from './interaction-database.js';

let at: OpenInteractions;

beforeAll(async () => {
  at = await openInteractions();
});

afterAll(() => at?.close());

async function ask(turn: TurnFence): Promise<string> {
  return (await at.service.raise(turn, aQuestion())).interaction_id;
}

async function askAndAnswer(turn: TurnFence): Promise<string> {
  const id = await ask(turn);
  await at.service.respond(turn.project_id, id, { decision: 'allow' }, randomUUID());
  return id;
}

const cancel = (turn: TurnFence) => at.unitOfWork.run((tx) => at.service.cancelForTurn(tx, turn, 'turn_completed'));

const told = async (turn: TurnFence, type: string) => (await at.events(turn)).filter((event) => event.type === type);

describe('resolving', () => {
  it('notes that the agent took the answer, once', async () => {
    const turn = await at.aTurn();
    const id = await askAndAnswer(turn);

    const resolved = await Promise.all(Array.from({ length: 5 }, () => at.service.resolve(turn, id)));

    expect(resolved[0]).toMatchObject({ status: 'resolved', verdict: { decision: 'allow' } });
    expect(resolved[0]!.resolved_at).not.toBeNull();
    for (const one of resolved) expect(one).toEqual(resolved[0]);
    expect(await at.reader.fetch(turn.project_id, id)).toEqual(resolved[0]);
    expect(await told(turn, 'interaction.resolved')).toEqual([
      { session_id: 'chat', turn_id: turn.turn_id, type: 'interaction.resolved', data: { interaction_id: id } },
    ]);
  });

  it('still counts when the turn ended just before', async () => {
    const turn = await at.aTurn();
    const id = await askAndAnswer(turn);
    await at.endTurn(turn);
    await cancel(turn);

    expect(await at.service.resolve(turn, id)).toMatchObject({ status: 'resolved' });
  });

  it('is refused without an answer, and after the question closed', async () => {
    const turn = await at.aTurn();
    const id = await ask(turn);

    await expect(at.service.resolve(turn, id)).rejects.toMatchObject({ code: 'interaction_not_answered' });
    await cancel(turn);
    await expect(at.service.resolve(turn, id)).rejects.toMatchObject({ code: 'interaction_closed' });
  });

  it('is refused to a turn that lost the session', async () => {
    const turn = await at.aTurn();
    const id = await askAndAnswer(turn);
    await at.aTurn({ ...turn, epoch: 2 });

    await expect(at.service.resolve(turn, id)).rejects.toMatchObject({ code: 'stale_epoch' });
    expect(await at.reader.fetch(turn.project_id, id)).toMatchObject({ status: 'responded' });
  });

  it('finds no question of another turn, attempt, session or project', async () => {
    const turn = await at.aTurn();
    const id = await askAndAnswer(turn);
    const others = [
      { ...turn, turn_id: randomUUID() },
      { ...turn, session_id: 'other' },
      { ...turn, project_id: randomUUID() },
      { ...turn, epoch: 2 },
    ];

    for (const other of others) {
      await expect(at.service.resolve(await at.aTurn(other), id)).rejects.toMatchObject({
        code: 'interaction_not_found',
      });
    }
  });
});

describe('the end of a turn', () => {
  it('closes its open questions and tells the viewers', async () => {
    const turn = await at.aTurn();
    const open = [await ask(turn), await ask(turn)];

    const cancelled = await cancel(turn);

    expect(cancelled.map(({ interaction_id }) => interaction_id)).toEqual(open);
    for (const one of cancelled) {
      expect(one).toMatchObject({ status: 'cancelled', cancel_reason: 'turn_completed', verdict: null });
      expect(one.cancelled_at).not.toBeNull();
      expect(await at.reader.fetch(turn.project_id, one.interaction_id)).toEqual(one);
    }
    expect((await told(turn, 'interaction.cancelled')).map(({ turn_id, data }) => ({ turn_id, data }))).toEqual(
      open.map((interaction_id) => ({
        turn_id: turn.turn_id,
        data: { interaction_id, reason: 'turn_completed' },
      })),
    );
  });

  it('leaves what was answered, and what other turns ask', async () => {
    const turn = await at.aTurn();
    const answered = await askAndAnswer(turn);
    const neighbours = [
      await at.aTurn({ ...turn, turn_id: randomUUID() }),
      await at.aTurn({ ...turn, project_id: randomUUID() }),
    ];
    const others = await Promise.all(neighbours.map(async (other) => ({ other, id: await ask(other) })));

    expect(await cancel(turn)).toEqual([]);
    expect(await at.reader.fetch(turn.project_id, answered)).toMatchObject({ status: 'responded' });
    for (const { other, id } of others) {
      expect(await at.reader.fetch(other.project_id, id)).toMatchObject({ status: 'pending' });
    }
  });

  it('closes once, and only with its own commit', async () => {
    const turn = await at.aTurn();
    const id = await ask(turn);
    const failing = at.unitOfWork.run(async (tx) => {
      await at.service.cancelForTurn(tx, turn, 'turn_failed');
      throw new Error('after the questions');
    });
    await expect(failing).rejects.toThrow('after the questions');
    expect(await at.reader.fetch(turn.project_id, id)).toMatchObject({ status: 'pending' });

    expect(await cancel(turn)).toHaveLength(1);
    expect(await cancel(turn)).toEqual([]);
    expect(await told(turn, 'interaction.cancelled')).toHaveLength(1);
  });
});
