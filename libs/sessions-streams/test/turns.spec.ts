import { randomUUID } from 'node:crypto';
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
  const types = async (session: SessionKey) => (await streams.events(session)).map(({ type }) => type);

  it('T1: a session has one live turn: one that starts beside it fails, whoever did not look', async () => {
    const session = await streams.openSession();
    const first = await streams.startTurn(session);
    await expect(streams.startTurn(session)).rejects.toThrow(/session_turns_one_live/);
    expect((await streams.repository.stream(session))!.current_turn_id).toBe(first.turn_id);
    expect(await types(session)).toEqual(['session.created', 'turn.queued']);
  });

  it('T4: a stop is asked for once: the runner is told once, and the first reason stands', async () => {
    const session = await streams.openSession();
    await streams.startTurn(session);
    const stop = (status: 'cancelled' | 'superseded') =>
      streams.unitOfWork.run(async (tx) => {
        await streams.fences.lock(tx, session);
        return streams.turns.requestStop(tx, (await streams.turns.liveTurn(tx, session))!, status);
      });
    expect(await stop('cancelled')).toMatchObject({ endNow: true, turn: { status: 'queued' } });

    const { runner, turn } = await claimOne(session);
    for (const status of ['superseded', 'cancelled'] as const) {
      expect(await stop(status)).toMatchObject({
        endNow: false,
        turn: { status: 'stopping', stop_status: 'superseded' },
      });
    }
    expect(await streams.commands(runner)).toEqual([
      {
        command_id: expect.any(String),
        type: 'cancel',
        reason: 'superseded',
        session_id: session.session_id,
        turn_id: turn.turn_id,
        epoch: 1,
      },
    ]);
    expect((await types(session)).at(-1)).toBe('turn.stopping');
  });

  it('T5: a runner may end its turn once; its retry gets the same answer, anybody else stale_epoch', async () => {
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
});
