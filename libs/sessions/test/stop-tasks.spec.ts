import { TasksReader, TasksService, type SessionTask } from '@holdfast/sessions-sharing';
import { StopTasksFlow } from '../src/index.js';
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

interface Member {
  task_id: string;
  session_id: string;
  turn: OwnedTurn;
}

/** A task whose agent runs. */
async function working(session_id: string, parent_task_id?: string): Promise<Member> {
  await project.send(session_id);
  const turn = await project.claim(session_id);
  await project.run(turn);
  const create = { location: 'remote', session_id, parent_task_id } as const;
  const { task_id } = await flows.app.get(TasksService).create(project.principal, create);
  return { task_id, session_id, turn };
}

/** A root, two below it, and one below the first of these. */
async function aTree() {
  const root = await working('root');
  const one = await working('one', root.task_id);
  const two = await working('two', root.task_id);
  const deepest = await working('deepest', one.task_id);
  return { root, one, two, deepest };
}

const now = ({ task_id }: Member): Promise<SessionTask> => flows.app.get(TasksReader).fetch(project.principal, task_id);
const states = async (members: Member[]) => Promise.all(members.map(async (one) => (await now(one)).state));
const mark = ({ task_id }: Member, how: 'cancel' | 'kill') =>
  flows.app.get(TasksService).stop(project.principal, task_id, how);
/** What a worker does with the job of the tree. */
const runJob = ({ task_id }: Member) => flows.app.get(StopTasksFlow).run(project.project_id, task_id);
const jobs = async (): Promise<number> =>
  (
    await flows.sql(`SELECT id FROM outbox WHERE project_id = $1 AND job = 'stop-tasks' AND done_at IS NULL`, [
      project.project_id,
    ])
  ).length;
const statuses = (members: Member[]) =>
  Promise.all(members.map(async ({ turn }) => (await project.turn(turn.turn_id)).status));

describe('cancelling a subtree', () => {
  it('says of all of it that it stops in one commit, and leaves what stands beside it', async () => {
    const { one, two, root, deepest } = await aTree();
    const { marked } = await mark(one, 'cancel');
    expect(marked).toBe(2);
    await runJob(root);
    expect(await statuses([deepest, one, two, root])).toEqual(['stopping', 'running', 'running', 'running']);
  });

  it('goes from the deepest upwards, a level when the one below it has ended, and the job comes back for it', async () => {
    const { one, two, root, deepest } = await aTree();
    await mark(root, 'cancel');
    await runJob(root);
    expect(await statuses([deepest, one, two, root])).toEqual(['stopping', 'running', 'running', 'running']);
    const before = await jobs();
    await project.complete(deepest.turn, 'cancelled');
    expect(await jobs()).toBe(before + 1);
    await runJob(root);
    expect(await statuses([deepest, one, two, root])).toEqual(['cancelled', 'stopping', 'stopping', 'running']);
    await project.complete(one.turn, 'cancelled');
    await runJob(root);
    expect(await statuses([root])).toEqual(['running']);
    await project.complete(two.turn, 'cancelled');
    await runJob(root);
    await project.complete(root.turn, 'cancelled');
    expect(await states([deepest, one, two, root])).toEqual(['cancelled', 'cancelled', 'cancelled', 'cancelled']);
    expect(await flows.app.get(TasksService).remaining((await mark(deepest, 'cancel')).top)).toBe(1);
  });

  it('goes on wherever a job was ended half way, and may be done by several at once', async () => {
    const { root, one, two, deepest } = await aTree();
    await mark(root, 'cancel');
    await Promise.all([runJob(root), runJob(root), runJob(root)]);
    for (const member of [deepest, one, two, root]) {
      await project.complete(member.turn, 'cancelled');
      await Promise.all([runJob(root), runJob(root)]);
    }
    expect(await states([root, one, two, deepest])).toEqual(['cancelled', 'cancelled', 'cancelled', 'cancelled']);
    const commands = (await project.commands()).filter(({ type }) => type === 'cancel');
    expect(commands.map(({ turn_id }) => turn_id)).toEqual(
      expect.arrayContaining([root, one, two, deepest].map(({ turn }) => turn.turn_id)),
    );
    expect(commands).toHaveLength(4);
  });

  it('of a task that no session runs ends the task', async () => {
    const tasks = flows.app.get(TasksService);
    const root = await tasks.create(project.principal, { location: 'remote' });
    const child = await tasks.create(project.principal, { location: 'remote', parent_task_id: root.task_id });
    await tasks.stop(project.principal, root.task_id, 'cancel');
    await flows.app.get(StopTasksFlow).run(project.project_id, root.task_id);
    for (const { task_id } of [root, child]) {
      expect(await flows.app.get(TasksReader).fetch(project.principal, task_id)).toMatchObject({ state: 'cancelled' });
    }
    // It has ended, and nothing stops any more.
    expect(await tasks.remaining(root)).toBe(0);
  });

  it('ends the turn that ran, and what waits behind it runs then as after any cancel', async () => {
    const root = await working('root');
    const next = await project.send('root', { on_busy: 'queue' });
    await mark(root, 'cancel');
    await runJob(root);
    await project.complete(root.turn, 'cancelled');
    await runJob(root);
    expect(await project.turn(next)).toMatchObject({ status: 'queued' });
    expect(await now(root)).toMatchObject({ state: 'queued' });
  });
});

describe('killing a subtree', () => {
  it('ends all of it at once, the deepest first, with what waits', async () => {
    const { root, one, two, deepest } = await aTree();
    const waiting = await project.send('deepest', { on_busy: 'queue' });
    await mark(root, 'kill');
    expect(await runJob(root)).toBe(false);
    expect(await states([root, one, two, deepest])).toEqual(['cancelled', 'cancelled', 'cancelled', 'cancelled']);
    expect(await project.turn(waiting)).toMatchObject({ status: 'cancelled' });
    const killed = (await project.commands()).filter(({ type }) => type === 'kill').map(({ turn_id }) => turn_id);
    expect(killed[0]).toBe(deepest.turn.turn_id);
    expect(killed.at(-1)).toBe(root.turn.turn_id);
  });

  it('takes the place of a cancel, and no cancel takes its place', async () => {
    const { root, one, two, deepest } = await aTree();
    await mark(root, 'cancel');
    await runJob(root);
    await mark(root, 'kill');
    await mark(root, 'cancel');
    await runJob(root);
    expect(await states([root, one, two, deepest])).toEqual(['cancelled', 'cancelled', 'cancelled', 'cancelled']);
  });

  it('a prompt that comes afterwards makes a task work again, and lets it have children', async () => {
    const root = await working('root');
    await mark(root, 'kill');
    await runJob(root);
    await project.send('root');
    expect(await now(root)).toMatchObject({ state: 'queued' });
    const tasks = flows.app.get(TasksService);
    await expect(
      tasks.create(project.principal, { location: 'remote', parent_task_id: root.task_id }),
    ).resolves.toMatchObject({ spawn_order: 1 });
  });
});

describe('the request', () => {
  it('is answered when all has stopped, and says how many that were', async () => {
    const { root } = await aTree();
    const flow = flows.app.get(StopTasksFlow);
    const answer = flow.request(project.principal, root.task_id, 'kill', new AbortController().signal);
    // As a worker would, woken by the outbox.
    const stopped = new AbortController();
    const worker = (async () => {
      while (!stopped.signal.aborted) {
        await flow.run(project.project_id, root.task_id);
        await new Promise((resolve) => setImmediate(resolve));
      }
    })();
    expect(await answer).toEqual({ ended: 4, remaining: 0 });
    stopped.abort();
    await worker;
  });

  it('says what remains when its caller leaves, and that goes on', async () => {
    const { root } = await aTree();
    const flow = flows.app.get(StopTasksFlow);
    expect(await flow.request(project.principal, root.task_id, 'cancel', AbortSignal.abort())).toEqual({
      ended: 0,
      remaining: 4,
    });
    expect(await jobs()).toBe(1);
  });
});
