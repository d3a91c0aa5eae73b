import { randomUUID } from 'node:crypto';
import { aQuestion, openInteractions, type OpenInteractions } from './interaction-database.js';

let at: OpenInteractions;

beforeAll(async () => {
  at = await openInteractions();
});

afterAll(() => at?.close());

it('keeps the question and tells the viewers', async () => {
  const turn = await at.aTurn();
  const question = aQuestion('call-1', ['allow_once', 'allow_always', 'reject_once']);

  const raised = await at.service.raise(turn, question);

  expect(raised).toEqual({
    ...question,
    interaction_id: raised.interaction_id,
    session_id: 'chat',
    turn_id: turn.turn_id,
    epoch: 1,
    status: 'pending',
    verdict: null,
    created_at: expect.stringMatching(/^\d{4}-.*Z$/),
    responded_at: null,
    responded_by_id: null,
    delivered_at: null,
    resolved_at: null,
    cancelled_at: null,
    cancel_reason: null,
  });
  expect(await at.reader.fetch(turn.project_id, raised.interaction_id)).toEqual(raised);
  expect(await at.events(turn)).toEqual([
    {
      session_id: 'chat',
      turn_id: turn.turn_id,
      type: 'interaction.requested',
      data: { interaction_id: raised.interaction_id, ...question },
    },
  ]);
});

describe('a token', () => {
  it('is the same question again, whatever has become of it', async () => {
    const turn = await at.aTurn();
    const { interaction_id } = await at.service.raise(turn, aQuestion('call-1'));
    const responded = await at.service.respond(turn.project_id, interaction_id, { decision: 'deny' }, randomUUID());

    expect(await at.service.raise(turn, aQuestion('call-1', ['allow_always']))).toEqual(responded);
    expect((await at.events(turn)).map(({ type }) => type)).toEqual(['interaction.requested', 'interaction.responded']);
  });

  it('makes one question when it comes many times at once', async () => {
    const turn = await at.aTurn();

    const raised = await Promise.all(Array.from({ length: 20 }, () => at.service.raise(turn, aQuestion('call-1'))));

    expect(new Set(raised.map(({ interaction_id }) => interaction_id)).size).toBe(1);
    expect(await at.events(turn)).toHaveLength(1);
  });

  it('is refused when another turn of the session used it', async () => {
    const turn = await at.aTurn();
    await at.service.raise(turn, aQuestion('call-1'));
    const next = await at.aTurn({ ...turn, turn_id: randomUUID() });

    await expect(at.service.raise(next, aQuestion('call-1'))).rejects.toMatchObject({
      code: 'interaction_token_taken',
      kind: 'conflict',
      members: { turn_id: turn.turn_id },
    });
  });

  it('is refused when an earlier attempt of the turn used it, whose question nobody can answer', async () => {
    const turn = await at.aTurn();
    await at.service.raise(turn, aQuestion('call-1'));
    const again = await at.aTurn({ ...turn, epoch: 2 });

    await expect(at.service.raise(again, aQuestion('call-1'))).rejects.toMatchObject({
      code: 'interaction_token_taken',
    });
  });

  it('is free in other sessions and other projects', async () => {
    const turn = await at.aTurn();
    const elsewhere = [
      await at.aTurn({ project_id: turn.project_id, session_id: 'other' }),
      await at.aTurn({ session_id: turn.session_id }),
    ];
    const first = await at.service.raise(turn, aQuestion('call-1'));

    for (const other of elsewhere) {
      const raised = await at.service.raise(other, aQuestion('call-1'));
      expect(raised.interaction_id).not.toBe(first.interaction_id);
    }
  });
});

describe('nobody may ask', () => {
  it('for a turn that lost the session', async () => {
    const turn = await at.aTurn();
    await at.aTurn({ ...turn, epoch: 2 });

    await expect(at.service.raise(turn, aQuestion())).rejects.toMatchObject({ code: 'stale_epoch' });
    expect(await at.events(turn)).toEqual([]);
  });

  it('for a turn that has ended', async () => {
    const turn = await at.aTurn();
    await at.endTurn(turn);

    await expect(at.service.raise(turn, aQuestion())).rejects.toMatchObject({ code: 'turn_not_live' });
    expect(await at.events(turn)).toEqual([]);
  });

  it('more than 256 KiB', async () => {
    const turn = await at.aTurn();
    const question = aQuestion();
    const empty = Buffer.byteLength(JSON.stringify({ ...question.request, tool_call: { text: '' } }));
    // Two bytes each: the limit counts bytes.
    const sized = (bytes: number) => ({
      ...question,
      request: {
        ...question.request,
        tool_call: { text: 'é'.repeat((bytes - empty) >> 1) + 'x'.repeat((bytes - empty) & 1) },
      },
    });

    await expect(at.service.raise(turn, sized(262_145))).rejects.toMatchObject({
      code: 'interaction_request_too_large',
      kind: 'too-large',
      members: { limit_bytes: 262_144 },
    });
    expect(await at.service.raise(turn, sized(262_144))).toMatchObject({ status: 'pending' });
  });
});
