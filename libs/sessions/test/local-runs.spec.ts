import { randomUUID } from 'node:crypto';
import { SubscriptionsService, type LogSubscriptionCreate } from '@holdfast/durable-streams';
import { sharePrincipal, SessionAccess, type Principal } from '@holdfast/platform-auth';
import { TasksRepository } from '@holdfast/sessions-sharing';
import {
  DEFAULT_STREAMS_CONFIG,
  localPool,
  SessionTurnsRepository,
  TurnClaimsService,
  type RunnerReplica,
  type SessionStreamInvoke,
} from '@holdfast/sessions-streams';
import { ClaimTurnsFlow, DeleteSessionFlow, InvokeSessionFlow, SweepOverdueTurnsFlow } from '../src/index.js';
import { startFlows, unlimited, type Flows, type OwnedTurn, type Project } from './flows-fixture.js';

describe('local runs', () => {
  let flows: Flows;
  let project: Project;
  beforeAll(async () => {
    flows = await startFlows();
  });
  beforeEach(async () => {
    project = await flows.newProject();
  });
  afterEach(() => jest.restoreAllMocks());
  afterAll(() => flows.stop());

  const newId = () => `s-${randomUUID()}`;
  const machine = async () => {
    const private_pool = `m-${randomUUID()}`;
    const { project_id } = project;
    const runner: RunnerReplica = { project_id, replica_id: randomUUID(), key_id: randomUUID() };
    await flows.app.get(TurnClaimsService).register(runner, { pools: [], labels: [], capacity: 100, private_pool });
    const claim = async (): Promise<OwnedTurn[]> => {
      const grants = await flows.app.get(ClaimTurnsFlow).run(runner, { capacity: 100, wait_seconds: 0 }, unlimited);
      return grants.map(({ session_id, turn_id, epoch }) => ({ project_id, session_id, turn_id, epoch }));
    };
    return { runner, private_pool, local: { private_pool }, claim };
  };
  type Machine = Awaited<ReturnType<typeof machine>>;

  const send = (
    session_id: string,
    command: Partial<SessionStreamInvoke> = {},
    by: Principal = project.principal,
    key?: string,
  ) => flows.app.get(InvokeSessionFlow).run(by, { session_id, prompt: 'hello', detached: true, ...command }, key);
  /** A session that was begun on the machine, and its turn there. */
  const begun = async (here: Machine): Promise<OwnedTurn> => {
    await send(newId(), { local: here.local });
    return (await here.claim())[0]!;
  };
  const poolOf = async (turn_id: string): Promise<string | null> =>
    (await flows.app.get(SessionTurnsRepository).turn(project.project_id, turn_id))!.pool;
  const taskOf = (session_id: string) =>
    flows.app.get(TasksRepository).ofSession({ project_id: project.project_id, session_id });
  const reaches = async (principal: Principal, session_id: string): Promise<boolean> =>
    (await flows.app.get(SessionAccess).reached(principal, [session_id])).has(session_id);

  it('Q15: runs on the machine that the prompt names, and no other key of the project reaches its session', async () => {
    const here = await machine();
    const session_id = newId();
    const { turn_id } = await send(session_id, { local: here.local });
    expect(await project.claimAll()).toEqual([]);
    expect(await (await machine()).claim()).toEqual([]);
    expect(await here.claim()).toMatchObject([{ session_id, turn_id }]);
    expect(await reaches(project.principal, session_id)).toBe(true);
    expect(await reaches(await project.newKey(), session_id)).toBe(false);
  });

  it('Q15: is told by no pattern of a subscription, nor to whoever waited for its name, until its owner names it', async () => {
    const subscriptions = flows.app.get(SubscriptionsService);
    const { project_id } = project;
    const session_id = newId();
    const path = `sessions/${session_id}/events`;
    const subscribe = (subscription_id: string, create: Partial<LogSubscriptionCreate>) =>
      subscriptions.create(
        { project_id, subscription_id },
        { type: 'pull-wake', wake_stream: 'wakes', ...create },
        'http://api.test',
      );
    const told = async (subscription_id: string) =>
      (await subscriptions.fetch({ project_id, subscription_id })).subscription.streams.map((one) => one.path);

    await subscribe('before', { pattern: '**' });
    await subscribe('named', { streams: [path] });
    const here = await machine();
    await send(session_id, { local: here.local });
    const { task_id } = (await taskOf(session_id))!;
    await project.invoke({ session_id: 'beside', prompt: 'hello', detached: true });
    await subscribe('after', { pattern: '**' });
    for (const subscription_id of ['before', 'after']) {
      const paths = await told(subscription_id);
      expect(paths).toContain('sessions/beside/events');
      expect(paths).not.toContain(path);
      expect(paths).not.toContain(`tasks/${task_id}/activity`);
    }
    expect(await told('named')).toEqual([]);

    await subscriptions.addStreams({ project_id, subscription_id: 'after' }, [path]);
    expect(await told('after')).toContain(path);
    await subscriptions.removeStream({ project_id, subscription_id: 'after' }, path);
    expect(await told('after')).not.toContain(path);
  });

  it('is private at once, also where a session of its name was everybody’s a moment before', async () => {
    const session_id = newId();
    const other = await project.newKey();
    await send(session_id);
    const access = flows.app.get(SessionAccess);
    await access.require(other, session_id, 'reader');
    await flows.app.get(DeleteSessionFlow).run(project.principal, session_id);
    await send(session_id, { local: (await machine()).local });
    await expect(access.require(other, session_id, 'reader')).rejects.toMatchObject({ code: 'session_not_found' });
    await access.require(project.principal, session_id, 'reader');
  });

  it('makes the task of the session with it, which its turn tells', async () => {
    const here = await machine();
    const session_id = newId();
    const { turn_id } = await send(session_id, { local: here.local });
    expect(await taskOf(session_id)).toMatchObject({
      location: 'local',
      source: 'cli',
      state: 'queued',
      turn_id,
      depth: 0,
      created_by_id: project.principal.key_id,
    });
    await here.claim();
    expect(await taskOf(session_id)).toMatchObject({ state: 'claimed' });
  });

  it('a retry under its key runs nothing twice', async () => {
    const here = await machine();
    const session_id = newId();
    const answers = await Promise.all(
      [1, 2, 3].map(() => send(session_id, { local: here.local }, project.principal, 'k')),
    );
    expect(new Set(answers.map(({ turn_id }) => turn_id)).size).toBe(1);
    expect(await here.claim()).toHaveLength(1);
  });

  it('later turns go to the same machine, however they are sent', async () => {
    const here = await machine();
    let turn = await begun(here);
    const { session_id } = turn;
    const [queued, offered] = [
      await send(session_id, { on_busy: 'queue' }),
      await send(session_id, { force: true, delivery: 'in_turn' }),
    ];
    for (const { turn_id } of [offered, queued]) {
      await project.complete(turn);
      expect(await poolOf(turn_id)).toBe(localPool(here.private_pool));
      [turn] = (await here.claim()) as [OwnedTurn];
      expect(turn.turn_id).toBe(turn_id);
    }
    const steered = await send(session_id, { force: true });
    await project.complete(turn, 'cancelled');
    expect(await here.claim()).toMatchObject([{ turn_id: steered.turn_id }]);
  });

  it('its owner may go on with it on another machine, and it stays there', async () => {
    const [here, there] = [await machine(), await machine()];
    const turn = await begun(here);
    await project.complete(turn);
    const moved = await send(turn.session_id, { local: there.local });
    expect(await here.claim()).toEqual([]);
    const [next] = await there.claim();
    expect(next).toMatchObject({ turn_id: moved.turn_id });
    await project.complete(next!);
    expect(await poolOf((await send(turn.session_id)).turn_id)).toBe(localPool(there.private_pool));
  });

  it('a session of the project is never made local, nor one of another key', async () => {
    const here = await machine();
    const session_id = newId();
    await send(session_id);
    await project.cancel(session_id);
    const mine = await begun(here);
    await project.complete(mine);
    const other = await project.newKey();
    for (const [session, by, code] of [
      [session_id, project.principal, 'session_not_local'],
      [mine.session_id, other, 'session_not_found'],
    ] as const) {
      await expect(send(session, { local: here.local }, by)).rejects.toMatchObject({ code });
      await expect(send(session, { local: here.local, force: true }, by)).rejects.toMatchObject({ code });
    }
    expect(await taskOf(session_id)).toBeUndefined();
    expect(await here.claim()).toEqual([]);
  });

  it('a share never runs anything on a machine that it names, also in a session that it drives', async () => {
    const here = await machine();
    const { session_id } = await begun(here);
    const viewer = sharePrincipal(project.project_id, {
      share_id: randomUUID(),
      participant_id: randomUUID(),
      role: 'full',
      scope: 'session',
      session_id,
      task_id: null,
      maker_id: null,
    });
    const there = await machine();
    await expect(send(session_id, { local: there.local, on_busy: 'queue' }, viewer)).rejects.toMatchObject({
      code: 'credential_kind',
    });
    await expect(send(newId(), { local: there.local }, viewer)).rejects.toMatchObject({ code: 'session_not_found' });
  });

  it('an agent that is a service runs on no machine: nothing is made', async () => {
    await flows.sql(
      `UPDATE agent_revisions SET harness = 'push', pool = NULL, push_url = 'http://127.0.0.1:9/'
        WHERE project_id = $1 AND name = 'codex'`,
      [project.project_id],
    );
    const here = await machine();
    const session_id = newId();
    await expect(send(session_id, { local: here.local, agent: { name: 'codex' } })).rejects.toMatchObject({
      code: 'no_local_runner',
    });
    await expect(project.stream(session_id)).rejects.toMatchObject({ code: 'session_not_found' });
    expect(await taskOf(session_id)).toBeUndefined();
  });

  it('a machine is asked for none of the labels of the agent', async () => {
    await flows.sql(`UPDATE agent_revisions SET labels = '{os=other}' WHERE project_id = $1`, [project.project_id]);
    const here = await machine();
    await begun(here);
  });

  describe('where no runner is any more', () => {
    const { leaseSeconds } = DEFAULT_STREAMS_CONFIG;
    /** Sweeps often enough to be trusted, for a whole lease. */
    const sweep = async () => {
      const start = Date.now() + 3_600_000;
      const clock = jest.spyOn(Date, 'now');
      for (let second = 0; second <= leaseSeconds; second += leaseSeconds / 3) {
        clock.mockReturnValue(start + second * 1000);
        await flows.app.get(SweepOverdueTurnsFlow).run();
      }
      clock.mockRestore();
    };
    const later = async (minutes: number) => {
      const ago = `now() - make_interval(mins => ${minutes})`;
      await flows.sql(`UPDATE runner_replicas SET seen_at = ${ago} WHERE project_id = $1`, [project.project_id]);
      await flows.sql(`UPDATE session_turns SET created_at = ${ago} WHERE project_id = $1 AND status = 'queued'`, [
        project.project_id,
      ]);
    };

    it('what waits for it is lost after 10 minutes, with its task; what waits in pools goes on waiting', async () => {
      const here = await machine();
      const [session_id, pooled] = [newId(), newId()];
      const { turn_id } = await send(session_id, { local: here.local });
      const other = await send(pooled);
      await later(9);
      await sweep();
      expect(await project.turn(turn_id)).toMatchObject({ status: 'queued' });
      await later(11);
      await sweep();
      expect(await project.turn(turn_id)).toMatchObject({ status: 'lost', error: { code: 'local_runner_gone' } });
      expect(await project.turn(other.turn_id)).toMatchObject({ status: 'queued' });
      expect(await taskOf(session_id)).toMatchObject({
        state: 'error',
        error: { kind: 'platform', code: 'local_runner_gone' },
      });
      expect((await project.types(session_id)).at(-1)).toBe('turn.lost');
    });

    it('a turn whose runner was lost there is lost as well when none comes back; one that comes takes it', async () => {
      for (const comesBack of [true, false]) {
        const here = await machine();
        const turn = await begun(here);
        await flows.sql(
          `UPDATE session_streams SET lease_until = now() - interval '1 s' WHERE project_id = $1 AND session_id = $2`,
          [turn.project_id, turn.session_id],
        );
        await sweep();
        expect(await project.turn(turn.turn_id)).toMatchObject({ status: 'queued', attempt: 1 });
        await later(11);
        // Its runner claims again, and is heard of.
        if (comesBack) expect(await here.claim()).toMatchObject([{ turn_id: turn.turn_id }]);
        else await sweep();
        expect(await project.turn(turn.turn_id)).toMatchObject({ status: comesBack ? 'starting' : 'lost' });
      }
    });

    it('nothing is lost before the sweeper was in contact with the database for a whole lease', async () => {
      const here = await machine();
      const { turn_id } = await send(newId(), { local: here.local });
      await later(11);
      jest.spyOn(Date, 'now').mockReturnValue(Date.now() + 7_200_000);
      await flows.app.get(SweepOverdueTurnsFlow).run();
      expect(await project.turn(turn_id)).toMatchObject({ status: 'queued' });
    });
  });
});
