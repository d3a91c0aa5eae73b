import { randomUUID } from 'node:crypto';
import { setTimeout as delay } from 'node:timers/promises';
import { TaskActivity, TaskActivityRelayer } from '../src/index.js';
import { startTasks, type ProjectOfTasks, type Tasks } from './tasks-fixture.js';

let tasks: Tasks;
let project: ProjectOfTasks;

beforeAll(async () => {
  tasks = await startTasks();
});
afterAll(() => tasks?.stop());
beforeEach(() => {
  project = tasks.newProject();
});

const waitingRows = (root_task_id: string) =>
  tasks.unitOfWork.query(`SELECT id FROM task_activity WHERE root_task_id = $1`, [root_task_id]);

describe('the activity log of a task', () => {
  it('is there from the start for a root, and tells of everything at and below it, in the order of each task', async () => {
    const root = await project.create({ name: 'root' });
    const child = await project.child(root, { name: 'child' });
    const below = await project.child(child, { name: 'below' });
    await project.edit(below, { state: 'in_progress' });
    await project.edit(below, { state: 'succeeded' });
    await tasks.relayer.run();
    const events = await project.activity(root);
    expect(events.map(({ type, task_id }) => [type, task_id])).toEqual([
      ['task.created', root.task_id],
      ['task.created', child.task_id],
      ['task.created', below.task_id],
      ['task.updated', below.task_id],
      ['task.updated', below.task_id],
    ]);
    expect(events[3]).toEqual({
      type: 'task.updated',
      at: expect.any(String),
      task_id: below.task_id,
      data: { task: expect.objectContaining({ state: 'in_progress', spawn_path: [1, 1], name: 'below' }) },
    });
    expect(events[3]!.data.task).not.toHaveProperty('subtree');
  });

  it('of another task is there once it was opened, tells of that subtree alone, and what was not relayed by then too', async () => {
    const root = await project.create();
    const [one, two] = [await project.child(root), await project.child(root)];
    await tasks.relayer.run();
    await project.edit(one, { name: 'told before' });
    await project.openLog(one);
    const below = await project.child(one);
    await project.edit(two, { name: 'elsewhere' });
    await tasks.relayer.run();
    expect((await project.activity(one)).map(({ type, task_id }) => [type, task_id])).toEqual([
      ['task.updated', one.task_id],
      ['task.created', below.task_id],
    ]);
    expect(await project.activity(root)).toHaveLength(6);
    await project.openLog(one);
    expect(await project.activity(one)).toHaveLength(2);
  });

  it('of a task below the root tells places as they are seen from there, and leads to nothing outside', async () => {
    const root = await project.create();
    await project.child(root);
    const host = await project.child(root, { name: 'host' });
    await project.openLog(host);
    const below = await project.child(host);
    await project.child(below);
    for (const task of [below, host]) await project.edit(task, { name: 'renamed' });
    await tasks.relayer.run();
    const by = project.share(host, 'tree');
    const { data: seen } = await project.query({ root_task_id: host.task_id }, by);
    const told = new Map((await project.activity(host)).map(({ task_id, data }) => [task_id, data.task!]));
    expect(told.size).toBe(3);
    for (const { subtree: _, ...task } of seen) expect(told.get(task.task_id)).toEqual(task);
    expect(JSON.stringify(await project.activity(host))).not.toContain(root.task_id);
    expect((await project.activity(root)).at(-1)!.data.task).toMatchObject({
      parent_task_id: root.task_id,
      root_task_id: root.task_id,
      depth: 1,
      spawn_path: [2],
    });
  });

  it('no place of it comes before a list that it is told with: what changes after that is told', async () => {
    const root = await project.create();
    const child = await project.child(root);
    await tasks.relayer.run();
    const { activity } = await project.query({ ancestor_task_id: root.task_id });
    expect(activity).toEqual({
      task_id: root.task_id,
      path: `/v1/stream/tasks/${root.task_id}/activity`,
      offset: '0000000000000001_0000000000000002',
    });
    expect((await project.query({ parent_task_id: child.task_id })).activity).toMatchObject({ task_id: root.task_id });
    expect((await project.query({})).activity).toBeNull();
    await project.openLog(child);
    expect((await project.query({ parent_task_id: child.task_id })).activity).toMatchObject({
      task_id: child.task_id,
      offset: '0000000000000001_0000000000000000',
    });
    // Who may see a part of the tree is never shown the log of more.
    const below = await project.child(child);
    const by = project.share(below, 'tree');
    expect((await project.query({ root_task_id: below.task_id }, by)).activity).toBeNull();
    await project.openLog(below);
    expect((await project.query({}, by)).activity).toMatchObject({ task_id: below.task_id });
  });

  it('has no more of a prompt than its first 8192 characters, however often it is told', async () => {
    const root = await project.create({ prompt: 'p'.repeat(262_144) });
    await tasks.relayer.run();
    expect((await project.activity(root))[0]!.data.task!.prompt).toBe('p'.repeat(8_192));
    expect((await project.fetch(root.task_id)).prompt).toHaveLength(262_144);
  });
});

describe('relaying', () => {
  it('any number of relayers bring each event once, those of each task in order', async () => {
    const other = await startTasks(tasks);
    try {
      const root = await project.create();
      const children = await Promise.all(Array.from({ length: 8 }, () => project.child(root)));
      const isDone = new AbortController();
      const relaying = [tasks, other].map(async ({ relayer }) => {
        while (!isDone.signal.aborted) {
          await relayer.run();
          await delay(1);
        }
      });
      await Promise.all(
        children.map(async (child) => {
          for (let step = 0; step < 15; step++) await project.edit(child, { name: `step ${step}` });
        }),
      );
      isDone.abort();
      await Promise.all(relaying);
      await tasks.relayer.run();
      const events = await project.activity(root);
      expect(events).toHaveLength(1 + children.length * 16);
      for (const { task_id } of children) {
        const names = events.filter((event) => event.task_id === task_id).map(({ data }) => data.task!.name);
        expect(names).toEqual(['Agent', ...Array.from({ length: 15 }, (_, step) => `step ${step}`)]);
      }
      expect(await waitingRows(root.task_id)).toEqual([]);
    } finally {
      await other.stop();
    }
  });

  it('one that is killed half way has brought nothing, and another one brings all of it once', async () => {
    const other = await startTasks(tasks);
    const root = await project.create();
    for (let step = 0; step < 5; step++) await project.edit(root, { name: `step ${step}` });
    // As if its process was ended after it had written, before it committed: its connection goes, and with it the lease.
    let isWritten = () => {};
    const written = new Promise<void>((resolve) => (isWritten = resolve));
    const relayer = other.app.get(TaskActivityRelayer);
    const unitOfWork = other.unitOfWork as unknown as { run: typeof other.unitOfWork.run };
    const run = unitOfWork.run.bind(other.unitOfWork);
    unitOfWork.run = (work) =>
      run(async (tx) => {
        const result = await work(tx);
        tx.lastly(async () => {
          const [backend] = await tx.query<{ pid: number }>(`SELECT pg_backend_pid() AS pid`);
          isWritten();
          await tasks.unitOfWork.query(`SELECT pg_terminate_backend($1)`, [backend!.pid]);
          await tx.query(`SELECT 1`);
        });
        return result;
      });
    const killed = relayer.run().catch((error: Error) => error);
    await written;
    expect(await killed).toBeInstanceOf(Error);
    expect(await project.activity(root)).toEqual([]);
    expect(await waitingRows(root.task_id)).toHaveLength(6);
    unitOfWork.run = run;

    await tasks.relayer.run();
    expect((await project.activity(root)).map(({ data }) => data.task!.name)).toEqual([
      'Agent',
      ...Array.from({ length: 5 }, (_, step) => `step ${step}`),
    ]);
    await other.stop();
  });

  it('a tree that another relayer has is left to it, and the others are not held up', async () => {
    const [busy, free] = [await project.create(), await project.create()];
    await tasks.unitOfWork.run(async (tx) => {
      const lease = `task-activity ${project.project_id} ${busy.task_id}`;
      await tx.query(`SELECT pg_advisory_xact_lock(hashtextextended($1, 0))`, [lease]);
      await tasks.relayer.run();
      expect(await waitingRows(busy.task_id)).toHaveLength(1);
      expect(await waitingRows(free.task_id)).toEqual([]);
    });
    await tasks.relayer.run();
    expect(await project.activity(busy)).toHaveLength(1);
  });

  it('a tree that cannot be relayed holds up no other, and its failure is told', async () => {
    const [stuck, free] = [await project.create(), await project.create()];
    const close = (closed: boolean) =>
      tasks.unitOfWork.query(`UPDATE log_streams SET closed = $2 WHERE path = $1`, [
        `tasks/${stuck.task_id}/activity`,
        closed,
      ]);
    await close(true);
    await expect(tasks.relayer.run()).rejects.toMatchObject({ errors: [{ code: 'stream_closed' }] });
    expect(await waitingRows(stuck.task_id)).toHaveLength(1);
    expect(await waitingRows(free.task_id)).toEqual([]);
    await close(false);
    await tasks.relayer.run();
    expect(await project.activity(stuck)).toHaveLength(1);
  });

  it('brings very large events a few at a time', async () => {
    const root = await project.create();
    await tasks.unitOfWork.query(
      `INSERT INTO task_activity (project_id, root_task_id, log_task_ids, event)
       SELECT $1, $2::uuid, ARRAY[$2::uuid], json_build_object('type', 'task.message', 'n', n, 'body', repeat('b', 400000))
         FROM generate_series(1, 40) n ORDER BY n`,
      [project.project_id, root.task_id],
    );
    expect(await tasks.relayer.run()).toBe(41);
    // A moment is that of its transaction.
    const moments = await tasks.unitOfWork.queryOne<{ bytes: string }>(
      `SELECT max(bytes) AS bytes FROM (
         SELECT sum(octet_length(s.body)) AS bytes FROM log_segments s JOIN log_streams l ON l.id = s.log_id
          WHERE l.path = $1 GROUP BY s.created_at) moment`,
      [`tasks/${root.task_id}/activity`],
    );
    expect(Number(moments!.bytes)).toBeLessThan(5 * 1024 * 1024);
  });

  it('what is told of a task whose transaction fails is told to nobody', async () => {
    const root = await project.create();
    await tasks.relayer.run();
    const failure = tasks.unitOfWork.run(async (tx) => {
      const task = { ...root, project_id: project.project_id, ancestor_ids: [] };
      const data = { message_id: randomUUID(), task_id: root.task_id };
      await tasks.app.get(TaskActivity).tell(tx, task, { type: 'task.message_read', data });
      throw new Error('undone');
    });
    await expect(failure).rejects.toThrow('undone');
    await tasks.relayer.run();
    expect(await project.activity(root)).toHaveLength(1);
  });

  it('brings a long backlog of many trees in one run', async () => {
    const roots = await Promise.all(Array.from({ length: 3 }, () => project.create()));
    await tasks.unitOfWork.query(
      `INSERT INTO task_activity (project_id, root_task_id, log_task_ids, event)
       SELECT $1, root, ARRAY[root], json_build_object('type', 'task.updated', 'n', n)
         FROM unnest($2::uuid[]) root, generate_series(1, 700) n ORDER BY n`,
      [project.project_id, roots.map(({ task_id }) => task_id)],
    );
    await tasks.relayer.run();
    for (const root of roots) {
      const told = (await project.activity(root)).slice(1) as unknown as { n: number }[];
      expect(told.map(({ n }) => n)).toEqual(Array.from({ length: 700 }, (_, index) => index + 1));
    }
  });
});
