import { randomUUID } from 'node:crypto';
import { isDomainError, type DomainError } from '@holdfast/platform-errors';
import { eventually } from '@holdfast/testing';
import { InteractionLog } from '../src/ports/interaction-log.port.js';
import type { Decision, OptionKind } from '../src/verdict.rules.js';
import { aQuestion, openInteractions, type OpenInteractions } from './interaction-database.js';

let at: OpenInteractions;

beforeAll(async () => {
  at = await openInteractions();
});

afterAll(() => at?.close());

/** A live turn with a question. */
async function asked(kinds?: OptionKind[]) {
  const turn = await at.aTurn();
  const { interaction_id } = await at.service.raise(turn, aQuestion(undefined, kinds));
  return { turn, project_id: turn.project_id, id: interaction_id, by_id: randomUUID() };
}

/** The answer, or the error it was refused with. */
const outcome = <T>(answer: Promise<T>): Promise<T | DomainError> =>
  answer.catch((error: unknown) => {
    if (isDomainError(error)) return error;
    throw error;
  });

const told = async (turn: { project_id: string }, type: string) =>
  (await at.events(turn as never)).filter((event) => event.type === type);

describe('an answer', () => {
  it('is kept, told to the viewers and handed to the runner', async () => {
    const { turn, project_id, id, by_id } = await asked();
    const verdict = { decision: 'deny', message: 'Not there.' } as const;

    const answered = await at.service.respond(project_id, id, verdict, by_id);

    expect(answered).toMatchObject({
      interaction_id: id,
      status: 'responded',
      verdict,
      responded_by_id: by_id,
      responded_at: expect.stringMatching(/Z$/),
      delivered_at: expect.stringMatching(/Z$/),
      resolved_at: null,
    });
    expect(await at.reader.fetch(project_id, id)).toEqual(answered);
    expect(await told(turn, 'interaction.responded')).toEqual([
      {
        session_id: 'chat',
        turn_id: turn.turn_id,
        type: 'interaction.responded',
        data: { interaction_id: id, verdict, by_id },
      },
    ]);
    expect(await at.commands(turn)).toEqual([{ epoch: 1, command: { type: 'answer', interaction_id: id, verdict } }]);
  });

  it('is kept as not delivered when no runner took it', async () => {
    const { turn, project_id, id, by_id } = await asked();
    await at.endTurn(turn);

    const answered = await at.service.respond(project_id, id, { decision: 'allow' }, by_id);

    expect(answered).toMatchObject({ status: 'responded', verdict: { decision: 'allow', message: null } });
    expect(answered.delivered_at).toBeNull();
    expect(await at.commands(turn)).toEqual([]);
  });

  it('leaves nothing behind when it cannot be told', async () => {
    const { turn, project_id, id, by_id } = await asked();
    class BrokenLog extends InteractionLog {
      async append(): Promise<void> {
        throw new Error('the log is full');
      }
    }
    const service = await at.serviceWith(BrokenLog);

    await expect(service.respond(project_id, id, { decision: 'allow' }, by_id)).rejects.toThrow('the log is full');

    expect(await at.reader.fetch(project_id, id)).toMatchObject({ status: 'pending', verdict: null });
    expect(await at.commands(turn)).toEqual([]);
  });

  it.each<[Decision, OptionKind[], boolean]>([
    ['allow', ['allow_once', 'reject_once'], true],
    ['allow', ['allow_always', 'reject_once'], false],
    ['allow_always', ['allow_once', 'allow_always'], true],
    ['allow_always', ['allow_once', 'reject_always'], false],
    ['deny', ['reject_once'], true],
    ['deny', ['allow_once'], true],
  ])('of "%s" to an offer of %j: taken is %s', async (decision, kinds, isTaken) => {
    const { turn, project_id, id, by_id } = await asked(kinds);

    const answered = await outcome(at.service.respond(project_id, id, { decision }, by_id));

    expect(answered).toMatchObject(
      isTaken
        ? { status: 'responded', verdict: { decision } }
        : { code: 'decision_not_offered', kind: 'unprocessable', members: { offered: kinds } },
    );
    const { status } = await at.reader.fetch(project_id, id);
    expect([status, (await at.commands(turn)).length]).toEqual(isTaken ? ['responded', 1] : ['pending', 0]);
  });
});

describe('of many answers', () => {
  it('one wins, and the others are told which', async () => {
    const { turn, project_id, id } = await asked(['allow_once', 'allow_always']);
    const decisions: Decision[] = ['allow', 'allow_always', 'deny'];

    const outcomes = await Promise.all(
      Array.from({ length: 20 }, (_, i) =>
        outcome(at.service.respond(project_id, id, { decision: decisions[i % 3]!, message: `${i}` }, randomUUID())),
      ),
    );

    const winners = outcomes.filter((one) => !(one instanceof Error));
    expect(winners).toHaveLength(1);
    const stored = await at.reader.fetch(project_id, id);
    expect(winners[0]).toEqual(stored);
    const { verdict, responded_at, responded_by_id } = stored;
    for (const loser of outcomes.filter((one) => one instanceof Error)) {
      expect(loser).toMatchObject({
        code: 'interaction_already_answered',
        kind: 'conflict',
        members: { verdict, responded_at, responded_by_id },
      });
    }
    expect(await told(turn, 'interaction.responded')).toHaveLength(1);
    expect(await at.commands(turn)).toHaveLength(1);
  });

  it('none is taken after the agent took the first', async () => {
    const { turn, project_id, id, by_id } = await asked();
    await at.service.respond(project_id, id, { decision: 'allow' }, by_id);
    await at.service.resolve(turn, id);

    await expect(at.service.respond(project_id, id, { decision: 'deny' }, randomUUID())).rejects.toMatchObject({
      code: 'interaction_already_answered',
      members: { responded_by_id: by_id },
    });
  });

  it('with one idempotency key all are the first', async () => {
    const { turn, project_id, id, by_id } = await asked();
    const respond = (decision: Decision) => at.service.respond(project_id, id, { decision }, by_id, 'key-1');

    const answers = await Promise.all(Array.from({ length: 20 }, () => respond('allow')));
    await at.service.resolve(turn, id);
    const late = await respond('allow');

    for (const answer of [...answers, late]) expect(answer).toEqual(answers[0]);
    expect(late.status).toBe('responded');
    expect(await at.commands(turn)).toHaveLength(1);
    await expect(respond('deny')).rejects.toMatchObject({ code: 'idempotency_key_reused' });
  });

  it('one that was refused is refused alike under its key, whoever answered since; another answer takes another key', async () => {
    const { project_id, id, by_id } = await asked(['allow_once']);
    const respond = (decision: 'allow' | 'allow_always', key: string) =>
      at.service.respond(project_id, id, { decision }, by_id, key);

    await expect(respond('allow_always', 'key-1')).rejects.toMatchObject({ code: 'decision_not_offered' });
    await expect(respond('allow', 'key-1')).rejects.toMatchObject({ code: 'idempotency_key_reused' });
    expect(await respond('allow', 'key-2')).toMatchObject({ status: 'responded' });
    await expect(respond('allow_always', 'key-1')).rejects.toMatchObject({ code: 'decision_not_offered' });
  });
});

describe('a question is closed', () => {
  it('when its turn cancelled it', async () => {
    const { turn, project_id, id, by_id } = await asked();
    await at.unitOfWork.run((tx) => at.service.cancelForTurn(tx, turn, 'turn_completed'));

    await expect(at.service.respond(project_id, id, { decision: 'allow' }, by_id)).rejects.toMatchObject({
      code: 'interaction_closed',
      kind: 'conflict',
    });
  });

  it('when another attempt owns the session', async () => {
    const { turn, project_id, id, by_id } = await asked();
    await at.aTurn({ ...turn, epoch: 2 });

    await expect(at.service.respond(project_id, id, { decision: 'allow' }, by_id)).rejects.toMatchObject({
      code: 'interaction_closed',
    });
    expect(await at.reader.fetch(project_id, id)).toMatchObject({ status: 'pending' });
  });

  it('yet names who answered it before', async () => {
    const { turn, project_id, id, by_id } = await asked();
    await at.service.respond(project_id, id, { decision: 'allow' }, by_id);
    await at.aTurn({ ...turn, epoch: 2 });

    await expect(at.service.respond(project_id, id, { decision: 'deny' }, randomUUID())).rejects.toMatchObject({
      code: 'interaction_already_answered',
      members: { responded_by_id: by_id },
    });
  });

  it('to an answer that comes while its turn is being ended', async () => {
    const { turn, project_id, id, by_id } = await asked();

    const answered = await at.unitOfWork.run(async (tx) => {
      await at.fences.lock(tx, turn);
      const answer = outcome(at.service.respond(project_id, id, { decision: 'allow' }, by_id));
      await eventually(async () => {
        const waiting = await at.unitOfWork.query(
          `SELECT 1 FROM pg_stat_activity
            WHERE datname = current_database() AND wait_event_type = 'Lock' AND query LIKE '%session_fences%FOR SHARE%'`,
        );
        expect(waiting).toHaveLength(1);
      });
      await at.service.cancelForTurn(tx, turn, 'turn_cancelled');
      // Not awaited in here: it waits for this transaction.
      return () => answer;
    });

    expect(await answered()).toMatchObject({ code: 'interaction_closed' });
  });

  it.each(Array.from({ length: 10 }, (_, round) => [round]))(
    'or answered, never both, when answers race the end (round %i)',
    async () => {
      const { turn, project_id, id } = await asked();
      const end = () =>
        at.unitOfWork.run(async (tx) => {
          await at.fences.lock(tx, turn);
          await at.service.cancelForTurn(tx, turn, 'turn_cancelled');
        });
      const respond = () => outcome(at.service.respond(project_id, id, { decision: 'allow' }, randomUUID()));

      await Promise.all([respond(), respond(), end(), respond(), respond()]);

      const { status } = await at.reader.fetch(project_id, id);
      const [responded, cancelled] = [
        await told(turn, 'interaction.responded'),
        await told(turn, 'interaction.cancelled'),
      ];
      expect([responded.length, cancelled.length, (await at.commands(turn)).length]).toEqual(
        status === 'responded' ? [1, 0, 1] : [0, 1, 0],
      );
    },
  );
});

it('is not found from another project', async () => {
  const { id, by_id } = await asked();
  for (const interaction_id of [id, randomUUID()]) {
    await expect(at.service.respond(randomUUID(), interaction_id, { decision: 'allow' }, by_id)).rejects.toMatchObject({
      code: 'interaction_not_found',
      kind: 'not-found',
    });
  }
});
