import { TasksReader, TasksService, type SessionTask } from '@holdfast/sessions-sharing';
import { SessionInteractionsService } from '@holdfast/sessions-interactions';
import { UnitOfWork } from '@holdfast/platform-postgres';
import { CompleteTurnFlow, HandOverTurnFlow } from '../src/index.js';
import { startFlows, type Flows, type OwnedTurn, type Project } from './flows-fixture.js';

let flows: Flows;
let project: Project;

beforeAll(async () => {
  flows = await startFlows();
});
afterAll(() => flows?.stop());
beforeEach(async () => {
  project = await flows.newProject();
});

/** A session with a task, made of it before anything ran. */
async function aTask(session_id: string): Promise<{ task_id: string; now: () => Promise<SessionTask> }> {
  const { project_id, principal } = project;
  const tasks = flows.app.get(TasksService);
  const { task_id } = await tasks.create(principal, { location: 'remote' });
  // A turn makes the session, and the task gets it.
  await project.send(session_id);
  await tasks.edit({ ...principal, project_id }, task_id, { session_id });
  return { task_id, now: () => flows.app.get(TasksReader).fetch(principal, task_id) };
}

const fail = (turn: OwnedTurn, code: string) =>
  flows.app
    .get(CompleteTurnFlow)
    .run(project.project_id, { ...turn, status: 'failed', error: { code, message: 'why' } });

describe('the task of a session', () => {
  it('is linked to a session that runs already, and stands as its turn does', async () => {
    const task = await aTask('s');
    expect(await task.now()).toMatchObject({
      state: 'queued',
      session_id: 's',
      agent: { name: 'scripted', revision: expect.any(Number) },
      harness: expect.any(String),
    });
  });

  it('follows its turn from the line to its end', async () => {
    const task = await aTask('s');
    const turn = await project.claim('s');
    expect(await task.now()).toMatchObject({ state: 'claimed', started_at: null });
    await project.run(turn);
    expect(await task.now()).toMatchObject({ state: 'in_progress', started_at: expect.any(String) });
    await project.complete(turn);
    expect(await task.now()).toMatchObject({ state: 'succeeded', ended_at: expect.any(String), error: null });
  });

  it('a later prompt makes it work again', async () => {
    const task = await aTask('s');
    await project.complete(await project.claim('s'), 'cancelled');
    expect(await task.now()).toMatchObject({ state: 'cancelled' });
    await project.send('s');
    expect(await task.now()).toMatchObject({ state: 'queued', ended_at: null });
  });

  it('a prompt that waits changes nothing until it takes its place', async () => {
    const task = await aTask('s');
    const turn = await project.claim('s');
    await project.run(turn);
    const next = await project.send('s', { on_busy: 'queue' });
    const withdrawn = await project.send('s', { on_busy: 'queue' });
    await project.withdraw('s', withdrawn);
    expect(await task.now()).toMatchObject({ state: 'in_progress' });
    await project.complete(turn);
    expect(await task.now()).toMatchObject({ state: 'queued' });
    const second = await project.claim('s');
    expect(second.turn_id).toBe(next);
    expect(await task.now()).toMatchObject({ state: 'claimed' });
  });

  it('a turn that another one replaces leaves its end to that one', async () => {
    const task = await aTask('s');
    const turn = await project.claim('s');
    await project.run(turn);
    await project.send('s', { force: true });
    expect(await task.now()).toMatchObject({ state: 'in_progress' });
    await project.complete(turn, 'cancelled');
    expect(await task.now()).toMatchObject({ state: 'queued', error: null });
    await project.complete(await project.claim('s'));
    expect(await task.now()).toMatchObject({ state: 'succeeded' });
  });

  it('where the one that was to replace it may not start, the task has failed', async () => {
    const task = await aTask('s');
    const turn = await project.claim('s');
    const steering = await project.newKey();
    await project.invoke({ session_id: 's', prompt: 'now', force: true, detached: true }, undefined, steering);
    await project.revoke(steering);
    await project.complete(turn, 'cancelled');
    expect(await task.now()).toMatchObject({ state: 'failed', error: { kind: 'user', code: 'permission_denied' } });
  });

  it('is blocked while any question of its agent is open', async () => {
    const task = await aTask('s');
    const turn = await project.claim('s');
    await project.run(turn);
    const questions = [await project.ask(turn), await project.ask(turn)];
    expect(await task.now()).toMatchObject({ state: 'blocked' });
    const answer = (interaction_id: string) =>
      flows.app
        .get(SessionInteractionsService)
        .respond(project.project_id, interaction_id, { decision: 'allow' }, project.principal.key_id);
    await answer(questions[0]!.interaction_id);
    expect(await task.now()).toMatchObject({ state: 'blocked' });
    await answer(questions[1]!.interaction_id);
    expect(await task.now()).toMatchObject({ state: 'in_progress' });
  });

  it('is not blocked any more when several are answered at the same time', async () => {
    const task = await aTask('s');
    const turn = await project.claim('s');
    await project.run(turn);
    const questions = await Promise.all(Array.from({ length: 6 }, () => project.ask(turn)));
    await Promise.all(
      questions.map(({ interaction_id }) =>
        flows.app
          .get(SessionInteractionsService)
          .respond(project.project_id, interaction_id, { decision: 'allow' }, project.principal.key_id),
      ),
    );
    expect(await task.now()).toMatchObject({ state: 'in_progress' });
  });

  it('is in line again when its runner gives the turn up, with its questions closed', async () => {
    const task = await aTask('s');
    const turn = await project.claim('s');
    await project.run(turn);
    await project.ask(turn);
    await flows.app.get(HandOverTurnFlow).run(project.project_id, { ...turn, reason: 'drain' });
    expect(await task.now()).toMatchObject({ state: 'queued' });
    await project.run(await project.claim('s'));
    expect(await task.now()).toMatchObject({ state: 'in_progress' });
  });

  it.each([
    ['agent_exited', 'failed', 'user'],
    ['runner_lost_contact', 'error', 'platform'],
  ])('%s makes it %s', async (code, state, kind) => {
    const task = await aTask('s');
    await fail(await project.claim('s'), code);
    expect(await task.now()).toMatchObject({ state, error: { kind, code, message: 'why' } });
  });

  it('is made of a session that runs, as the root of a tree, once', async () => {
    await project.send('s');
    await project.run(await project.claim('s'));
    const { project_id } = project;
    const own = { name: 'orchestrator', location: 'remote', source: 'user', created_by_id: null } as const;
    const ensure = () =>
      flows.app
        .get(UnitOfWork)
        .run((tx) => flows.app.get(TasksService).ensureOwn(tx, { project_id, session_id: 's' }, own));
    const made = await Promise.all(Array.from({ length: 4 }, ensure));
    expect(new Set(made.map(({ task_id }) => task_id)).size).toBe(1);
    expect(await flows.app.get(TasksReader).fetch(project.principal, made[0]!.task_id)).toMatchObject({
      depth: 0,
      name: 'orchestrator',
      state: 'in_progress',
      session_id: 's',
    });
  });
});
