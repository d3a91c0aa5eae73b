import { randomUUID } from 'node:crypto';
import { SessionInteractionsReader } from '@holdfast/sessions-interactions';
import { DEFAULT_STREAMS_CONFIG } from '@holdfast/sessions-streams';
import { SweepOverdueTurnsFlow } from '../src/index.js';
import { startFlows, type Flows, type OwnedTurn, type Project } from './flows-fixture.js';

describe('the sweep', () => {
  const { leaseSeconds } = DEFAULT_STREAMS_CONFIG;
  let flows: Flows;
  let project: Project;
  /** What the sweeper's clock shows, in seconds. */
  let clock = 1_000_000;
  beforeAll(async () => {
    flows = await startFlows();
    project = await flows.newProject();
  });
  beforeEach(() => {
    jest.spyOn(Date, 'now').mockImplementation(() => clock * 1000);
  });
  afterEach(() => jest.restoreAllMocks());
  afterAll(() => flows.stop());

  const sweepAt = async (second: number) => {
    clock = second;
    await flows.app.get(SweepOverdueTurnsFlow).run();
  };
  /** Sweeps often enough to be trusted, for a whole lease. */
  const sweepForALease = async () => {
    const start = clock + 3600;
    for (let second = 0; second <= leaseSeconds; second += leaseSeconds / 3) await sweepAt(start + second);
  };
  const running = async (session_id = `s-${randomUUID()}`): Promise<OwnedTurn> => {
    await project.send(session_id);
    const turn = await project.claim(session_id);
    await project.run(turn);
    return turn;
  };
  const expireLease = ({ project_id, session_id }: OwnedTurn) =>
    flows.sql(
      `UPDATE session_streams SET lease_until = now() - interval '1 s' WHERE project_id = $1 AND session_id = $2`,
      [project_id, session_id],
    );

  it('C6, C11: puts a turn back in line whose owner is gone, closes its questions and has what it left ended', async () => {
    const turn = await running();
    const question = await project.ask(turn);
    await expireLease(turn);
    await sweepForALease();
    expect(await project.turn(turn.turn_id)).toMatchObject({ status: 'queued', attempt: 1 });
    expect(
      await flows.app.get(SessionInteractionsReader).fetch(project.project_id, question.interaction_id),
    ).toMatchObject({ status: 'cancelled' });
    expect((await project.types(turn.session_id)).slice(-2).sort()).toEqual([
      'interaction.cancelled',
      'turn.attempt_lost',
    ]);
    expect((await project.commands()).at(-1)).toMatchObject({ type: 'kill', turn_id: turn.turn_id, epoch: turn.epoch });
    await expect(project.ask(turn)).rejects.toMatchObject({ code: 'stale_epoch' });
    await expect(project.complete(turn)).rejects.toMatchObject({ code: 'stale_epoch' });
    const next = await project.claim(turn.session_id);
    expect(next).toMatchObject({ turn_id: turn.turn_id, epoch: turn.epoch + 2 });
    await project.run(next);
    await project.complete(next);
    expect(await project.turn(turn.turn_id)).toMatchObject({ status: 'completed', attempt: 2 });
  });

  it('C8: leaves a turn alone that waits for an answer, for as long as its owner beats', async () => {
    const turn = await running();
    await project.ask(turn);
    for (let lease = 0; lease < 3; lease++) {
      await expireLease(turn);
      await project.run(turn);
      await sweepForALease();
    }
    expect(await project.turn(turn.turn_id)).toMatchObject({ status: 'running', attempt: 1 });
    await project.complete(turn);
  });

  it('ends a turn as lost when its attempts are spent, and what waits takes its place', async () => {
    const first = await running();
    const waiting = await project.send(first.session_id, { on_busy: 'queue' });
    for (let attempt = 1; attempt < 3; attempt++) {
      await expireLease(first);
      await sweepForALease();
      await project.claim(first.session_id);
    }
    await expireLease(first);
    await sweepForALease();
    expect(await project.turn(first.turn_id)).toMatchObject({ status: 'lost', error: { code: 'owner_lost' } });
    expect(await project.turn(waiting)).toMatchObject({ status: 'queued' });
  });

  it('ends by force a turn that does not stop in time, as it was to end, and what waited takes its place', async () => {
    const turn = await running();
    const steering = await project.send(turn.session_id, { force: true });
    await flows.sql(`UPDATE session_turns SET stop_by = now() - interval '1 s' WHERE turn_id = $1`, [turn.turn_id]);
    await sweepForALease();
    expect(await project.turn(turn.turn_id)).toMatchObject({
      status: 'superseded',
      error: { code: 'stopped_by_force' },
    });
    expect(await project.turn(steering)).toMatchObject({ status: 'queued' });
  });

  it('goes on past sessions that it cannot take, more of them than it looks at at once', async () => {
    const broken = await running(`a-${randomUUID()}`);
    await expireLease(broken);
    await flows.sql(`DELETE FROM log_streams WHERE path = $1`, [`sessions/${broken.session_id}/events`]);
    await flows.sql(
      `INSERT INTO session_streams (project_id, session_id, owner_replica_id, lease_until)
       SELECT $1, 'without-fence-' || n, gen_random_uuid(), now() - interval '1 hour' FROM generate_series(1, 60) n`,
      [project.project_id],
    );
    const turn = await running(`z-${randomUUID()}`);
    await expireLease(turn);
    await sweepForALease();
    expect(await project.turn(turn.turn_id)).toMatchObject({ status: 'queued' });
    await flows.sql(`DELETE FROM session_streams WHERE session_id LIKE 'without-fence-%' OR session_id = $1`, [
      broken.session_id,
    ]);
  });

  it('starts what waits where an older process ended the live turn, which promotes nothing', async () => {
    const turn = await running();
    const [first, second] = [
      await project.send(turn.session_id, { on_busy: 'queue' }),
      await project.send(turn.session_id, { on_busy: 'queue' }),
    ];
    await flows.sql(`UPDATE session_turns SET status = 'completed', ended_at = now() WHERE turn_id = $1`, [
      turn.turn_id,
    ]);
    await flows.sql(
      `UPDATE session_streams SET owner_replica_id = NULL, lease_until = NULL, current_turn_id = NULL
        WHERE project_id = $1 AND session_id = $2`,
      [turn.project_id, turn.session_id],
    );
    await sweepForALease();
    expect(await project.turn(first)).toMatchObject({ status: 'queued' });
    expect(await project.turn(second)).toMatchObject({ status: 'inbox' });
  });

  it('C10: takes nothing before it was in contact with the database for a whole lease', async () => {
    const turn = await running();
    await expireLease(turn);
    const start = clock + 3600;
    for (let second = 0; second < leaseSeconds; second += leaseSeconds / 3) {
      await sweepAt(start + second);
      expect(await project.turn(turn.turn_id)).toMatchObject({ status: 'running' });
    }
    await sweepAt(start + leaseSeconds);
    expect(await project.turn(turn.turn_id)).toMatchObject({ status: 'queued' });
  });

  it.each([
    ['the database was away', leaseSeconds],
    ['the clock was set back', -3600],
  ])('an outage loses no turns: after %s it waits for a whole lease again', async (_, gap) => {
    const turn = await running();
    await sweepForALease();
    await expireLease(turn);
    await sweepAt(clock + gap);
    expect(await project.turn(turn.turn_id)).toMatchObject({ status: 'running' });
    // Its owner is back as well.
    await project.run(turn);
    await sweepForALease();
    expect(await project.turn(turn.turn_id)).toMatchObject({ status: 'running', attempt: 1 });
    await project.complete(turn);
  });
});
