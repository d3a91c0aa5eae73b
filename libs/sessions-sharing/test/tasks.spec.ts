import { randomUUID } from 'node:crypto';
import { TasksRepository, type SessionTask } from '../src/index.js';
import { settle, startTasks, turnFact, type ProjectOfTasks, type Tasks } from './tasks-fixture.js';

let tasks: Tasks;
let project: ProjectOfTasks;

beforeAll(async () => {
  tasks = await startTasks();
});
afterAll(() => tasks?.stop());
beforeEach(() => {
  project = tasks.newProject();
});

const ids = (page: { data: { task_id: string }[] }) => page.data.map(({ task_id }) => task_id);
const refused = (code: string) => expect.objectContaining({ code });

/** A root with children 1 and 2; below 1 a child with one of its own. */
async function aTree() {
  const root = await project.create({ name: 'root' });
  const one = await project.child(root, { name: 'one' });
  const two = await project.child(root, { name: 'two' });
  const below = await project.child(one, { name: 'below' });
  const deepest = await project.child(below, { name: 'deepest' });
  return { root, one, two, below, deepest };
}

describe('making tasks', () => {
  it('a root is the top of a tree of its own, and queued', async () => {
    const root = await project.create({ name: 'n', title: 't', prompt: 'p', agent: { name: 'codex', revision: 2 } });
    expect(root).toEqual({
      task_id: expect.stringMatching(/^[0-9a-f-]{14}7/),
      parent_task_id: null,
      root_task_id: root.task_id,
      depth: 0,
      spawn_order: 0,
      spawn_path: [],
      name: 'n',
      title: 't',
      prompt: 'p',
      location: 'remote',
      state: 'queued',
      waiting: false,
      error: null,
      session_id: null,
      agent: { name: 'codex', revision: 2 },
      harness: null,
      source: 'api',
      children_count: 0,
      subtree: { status: 'in_progress', total: 1, states: expect.objectContaining({ queued: 1, succeeded: 0 }) },
      created_at: expect.any(String),
      started_at: null,
      ended_at: null,
      updated_at: expect.any(String),
      created_by_id: project.principal.key_id,
    });
  });

  it('a child knows its parent, its root, its depth and its place among its siblings', async () => {
    const { root, one, two, deepest } = await aTree();
    expect(one).toMatchObject({ parent_task_id: root.task_id, depth: 1, spawn_order: 1, spawn_path: [1] });
    expect(two).toMatchObject({ parent_task_id: root.task_id, depth: 1, spawn_order: 2, spawn_path: [2] });
    expect(deepest).toMatchObject({ root_task_id: root.task_id, depth: 3, spawn_order: 1, spawn_path: [1, 1, 1] });
    expect(await project.fetch(root.task_id)).toMatchObject({ children_count: 2 });
  });

  it('children that are made at the same time get places of their own, without gaps', async () => {
    const root = await project.create();
    const made = await Promise.all(Array.from({ length: 20 }, () => project.child(root)));
    expect(made.map(({ spawn_order }) => spawn_order).sort((a, b) => a - b)).toEqual(
      Array.from({ length: 20 }, (_, index) => index + 1),
    );
    expect((await project.fetch(root.task_id)).children_count).toBe(20);
  });

  it('the same id under the same parent again is that task, also at the same time; under another parent it is refused', async () => {
    const root = await project.create();
    const task_id = randomUUID();
    const made = await Promise.all(Array.from({ length: 5 }, () => project.child(root, { task_id, name: 'x' })));
    expect(new Set(made.map(({ spawn_path }) => spawn_path.join()))).toEqual(new Set(['1']));
    expect((await project.fetch(root.task_id)).children_count).toBe(1);
    await expect(project.create({ task_id })).rejects.toEqual(refused('task_exists'));
    expect((await project.create({ task_id: root.task_id })).children_count).toBe(1);
  });

  it('refuses a parent that there is not, also one of another project', async () => {
    const foreign = await tasks.newProject().create();
    await expect(project.child(foreign)).rejects.toEqual(refused('task_not_found'));
    await expect(project.child({ task_id: randomUUID() })).rejects.toEqual(refused('task_not_found'));
  });

  it('a tree is at most 16 deep', async () => {
    let deepest: SessionTask = await project.create();
    for (let depth = 1; depth <= 16; depth++) deepest = await project.child(deepest);
    await expect(project.child(deepest)).rejects.toEqual(
      expect.objectContaining({ code: 'task_limit', members: { what: 'depth', limit: 16 } }),
    );
  });

  it('a task has at most 200 children that have not ended, also when many are made at the same time', async () => {
    const root = await project.create();
    const first = await project.child(root);
    await fill(root, 197);
    const { done, codes } = await settle(Array.from({ length: 6 }, () => project.child(root)));
    expect(done).toHaveLength(2);
    expect(codes).toEqual(Array.from({ length: 4 }, () => 'task_limit'));
    await project.edit(first, { state: 'succeeded' });
    await expect(project.child(root)).resolves.toMatchObject({ spawn_order: 201 });
  });

  it('a tree has at most 10 000 tasks', async () => {
    const root = await project.create();
    const child = await project.child(root);
    await fill(root, 9_998, 'succeeded');
    await expect(project.child(child)).rejects.toEqual(
      expect.objectContaining({ code: 'task_limit', members: { what: 'tasks', limit: 10_000 } }),
    );
  });

  it('makes nothing below what is being stopped, at any depth, and beside it still', async () => {
    const { one, two, deepest } = await aTree();
    await project.stop(one);
    for (const parent of [one, deepest]) {
      await expect(project.child(parent)).rejects.toEqual(refused('task_stopping'));
    }
    await expect(project.child(two)).resolves.toMatchObject({ spawn_path: [2, 1] });
  });

  it('what is made while its tree is being stopped is stopped with it, or is not made', async () => {
    const { root, one, below } = await aTree();
    const made = settle(Array.from({ length: 20 }, () => project.child(below)));
    const { marked } = await project.stop(one);
    const { done } = await made;
    const stopping = await tasks.unitOfWork.query(
      `SELECT task_id FROM tasks WHERE root_task_id = $1 AND stopping = 'cancel'`,
      [root.task_id],
    );
    expect(stopping).toHaveLength(marked);
    expect(marked).toBe(3 + done.length);
  });
});

describe('stopping', () => {
  it('goes on with all of one depth, however many of them were told and have not ended, before it goes up', async () => {
    const root = await project.create();
    await fill(root, 3);
    await project.stop(root);
    const deepest = (told: string[]) =>
      tasks.app.get(TasksRepository).deepestStopping(project.project_id, root.task_id, told, 2);
    const first = (await deepest([])).map(({ task_id }) => task_id);
    expect(first).toHaveLength(2);
    const [last, ...more] = (await deepest(first)).map(({ task_id }) => task_id);
    expect(more).toEqual([]);
    expect([...first, last, root.task_id]).toHaveLength(new Set([...first, last, root.task_id]).size);
    expect(await deepest([...first, last!])).toEqual([]);
  });
});

/** Children of a task, straight into the table. */
async function fill({ task_id }: SessionTask, count: number, state = 'queued'): Promise<void> {
  await tasks.unitOfWork.query(
    `INSERT INTO tasks (project_id, task_id, parent_task_id, root_task_id, ancestor_ids, depth, spawn_order, spawn_path,
                        location, state, source, ended_at)
     SELECT project_id, gen_random_uuid(), task_id, root_task_id, ancestor_ids || task_id, depth + 1,
            children_count + n, spawn_path || (children_count + n), 'remote', $3, 'api',
            CASE WHEN $3 = 'succeeded' THEN now() END
       FROM tasks, generate_series(1, $2::int) n WHERE task_id = $1`,
    [task_id, count, state],
  );
  await tasks.unitOfWork.query(`UPDATE tasks SET children_count = children_count + $2 WHERE task_id = $1`, [
    task_id,
    count,
  ]);
}

describe('changing tasks', () => {
  it('leaves what is left out as it is', async () => {
    const task = await project.create({ name: 'n', title: 't', prompt: 'p' });
    const error = { kind: 'user', code: 'no_room', message: 'x' } as const;
    expect(await project.edit(task, { error })).toEqual({ ...task, error, updated_at: expect.any(String) });
    expect(await project.edit(task, { title: 'u' })).toMatchObject({ name: 'n', title: 'u', prompt: 'p', error });
    expect(await project.edit(task, { error: null })).toMatchObject({ name: 'n', title: 'u', error: null });
  });

  it('an edit that changes nothing is no change, and is not told', async () => {
    const task = await project.create({ name: 'n' });
    const error = { kind: 'user', code: 'c', message: 'm' } as const;
    const edited = await project.edit(task, { error });
    expect(await project.edit(task, { name: 'n', error: { ...error } })).toEqual(edited);
    await tasks.relayer.run();
    expect((await project.activity(task)).map(({ type }) => type)).toEqual(['task.created', 'task.updated']);
  });

  it('the state of a task that no turn speaks for is set by hand, until it has ended (Q55)', async () => {
    const task = await project.create();
    expect(await project.edit(task, { state: 'in_progress' })).toMatchObject({
      state: 'in_progress',
      started_at: expect.any(String),
    });
    const error = { kind: 'user', code: 'no_program', message: 'It is not installed.' } as const;
    const failed = await project.edit(task, { state: 'failed', error });
    expect(failed).toMatchObject({ state: 'failed', error, session_id: null, ended_at: expect.any(String) });
    await expect(project.edit(task, { state: 'in_progress' })).rejects.toEqual(refused('task_ended'));
    expect(await project.edit(task, { state: 'failed', name: 'late' })).toMatchObject({ name: 'late' });
  });

  it('where a turn speaks for it, the state is not set by hand', async () => {
    const task = await project.working();
    await project.told(task.session, 'running');
    await expect(project.edit(task, { state: 'succeeded' })).rejects.toEqual(refused('task_follows_turn'));
  });

  it('a task of another project does not exist', async () => {
    const foreign = await tasks.newProject().create();
    await expect(project.fetch(foreign.task_id)).rejects.toEqual(refused('task_not_found'));
    await expect(project.edit(foreign, { name: 'x' })).rejects.toEqual(refused('task_not_found'));
    await expect(project.stop(foreign)).rejects.toEqual(refused('task_not_found'));
    await expect(project.query({ root_task_id: foreign.task_id })).rejects.toEqual(refused('task_not_found'));
    expect(await project.names([foreign.task_id])).toEqual({ data: [] });
  });
});

describe('linking sessions', () => {
  const link = (task: SessionTask, session_id: string) => project.edit(task, { session_id });
  const linkedEvents = async (task: SessionTask) => {
    await tasks.relayer.run();
    return (await project.activity(task)).filter(({ type }) => type === 'task.session_linked');
  };

  it.each(['queued', 'claimed', 'running', 'asked'] as const)(
    'lands while the turn of the task is %s, and is told once (Q38)',
    async (kind) => {
      const task = await project.working();
      await project.told(task.session, kind);
      const { session_id } = project.session();
      expect(await link(task, session_id)).toMatchObject({ session_id });
      expect(await linkedEvents(task)).toEqual([
        expect.objectContaining({ data: { task: expect.objectContaining({ session_id }) } }),
      ]);
    },
  );

  it.each(['completed', 'failed', 'lost', 'cancelled'] as const)(
    'is refused once a remote task has ended (%s), whichever session it names (Q38)',
    async (kind) => {
      const task = await project.working();
      await project.told(task.session, kind);
      await expect(link(task, project.session().session_id)).rejects.toEqual(refused('task_ended'));
      await expect(link(task, task.session.session_id)).rejects.toEqual(refused('task_ended'));
      expect(await project.fetch(task.task_id)).toMatchObject({ session_id: task.session.session_id });
    },
  );

  it('a local task that has ended keeps its session, in fetch and in lists, and takes the same again (Q39)', async () => {
    const task = await project.working({ location: 'local' });
    const { session_id } = task.session;
    await project.told(task.session, 'completed');
    expect(await link(task, session_id)).toMatchObject({ session_id, state: 'succeeded' });
    expect((await project.query({ session_id })).data).toMatchObject([{ task_id: task.task_id, session_id }]);
    await expect(link(task, project.session().session_id)).rejects.toEqual(refused('task_ended'));
  });

  it('the same session again changes nothing, also at the same time (Q40)', async () => {
    const task = await project.create();
    const { session_id } = project.session();
    await Promise.all(Array.from({ length: 5 }, () => link(task, session_id)));
    const linked = await project.fetch(task.task_id);
    expect(await link(task, session_id)).toEqual(linked);
    expect(await linkedEvents(task)).toHaveLength(1);
  });

  it('takes over how the turn of that session stands, and leaves that of the one before', async () => {
    const task = await project.working();
    await project.told(task.session, 'running', { turn_index: 7 });
    const { session_id } = project.session(randomUUID(), turnFact('asked', { turn_index: 2, harness: 'codex' }));
    expect(await link(task, session_id)).toMatchObject({ state: 'blocked', harness: 'codex' });
    await project.told(task.session, 'completed', { turn_index: 7 });
    expect(await project.fetch(task.task_id)).toMatchObject({ state: 'blocked' });
  });

  it('a session is there already, and is that of one task', async () => {
    const task = await project.create();
    await expect(link(task, 'unknown')).rejects.toEqual(refused('session_not_found'));
    const other = await project.working();
    await expect(link(task, other.session.session_id)).rejects.toEqual(
      expect.objectContaining({ code: 'task_session_taken' }),
    );
    await expect(project.create({ session_id: other.session.session_id })).rejects.toEqual(
      refused('task_session_taken'),
    );
  });
});

describe('the turns of its session', () => {
  it('tell how a task stands, with its agent, and when it ran and ended', async () => {
    const task = await project.working();
    await project.told(task.session, 'queued');
    expect(await project.fetch(task.task_id)).toMatchObject({ state: 'queued', started_at: null });
    await project.told(task.session, 'claimed');
    await project.told(task.session, 'running');
    const running = await project.fetch(task.task_id);
    expect(running).toMatchObject({ agent: { name: 'scripted', revision: 1 }, harness: 'scripted', ended_at: null });
    expect(running.started_at).toEqual(expect.any(String));
    await project.told(task.session, 'failed', { error: { code: 'agent_exited', message: 'x' } });
    expect(await project.fetch(task.task_id)).toMatchObject({
      state: 'failed',
      error: { kind: 'user', code: 'agent_exited', message: 'x' },
      started_at: running.started_at,
      ended_at: expect.any(String),
    });
  });

  it('what is told late of an older turn, or of one that ended, never brings a task back', async () => {
    const task = await project.working();
    await project.told(task.session, 'running', { turn_index: 0 });
    await project.told(task.session, 'cancelled', { turn_index: 1 });
    for (const [kind, turn_index] of [
      ['running', 0],
      ['completed', 0],
      ['running', 1],
      ['answered', 1],
    ] as const) {
      await project.told(task.session, kind, { turn_index });
      expect(await project.fetch(task.task_id)).toMatchObject({ state: 'cancelled' });
    }
  });

  it('a later prompt makes a task that has ended work again: its error is gone, its times go on', async () => {
    const task = await project.working();
    await project.told(task.session, 'running');
    await project.told(task.session, 'lost', { error: { code: 'owner_lost', message: 'x' } });
    const { started_at } = await project.fetch(task.task_id);
    await project.told(task.session, 'queued', { turn_index: 1 });
    expect(await project.fetch(task.task_id)).toMatchObject({
      state: 'queued',
      error: null,
      started_at,
      ended_at: null,
    });
  });

  it('tell nobody where the session has no task', async () => {
    await expect(project.told(project.session(), 'running')).resolves.toBeUndefined();
  });
});

describe('querying tasks', () => {
  it('by direct parent, by true ancestor at any height, by root', async () => {
    const { root, one, two, below, deepest } = await aTree();
    const foreign = await project.create();
    expect(ids(await project.query({ parent_task_id: root.task_id }))).toEqual([one.task_id, two.task_id]);
    expect(ids(await project.query({ parent_task_id: one.task_id }))).toEqual([below.task_id]);
    expect(ids(await project.query({ ancestor_task_id: root.task_id }))).toEqual(
      [one, below, deepest, two].map(({ task_id }) => task_id),
    );
    expect(ids(await project.query({ ancestor_task_id: one.task_id }))).toEqual([below.task_id, deepest.task_id]);
    expect(ids(await project.query({ ancestor_task_id: deepest.task_id }))).toEqual([]);
    expect(ids(await project.query({ root_task_id: root.task_id }))).toEqual(
      [root, one, below, deepest, two].map(({ task_id }) => task_id),
    );
    // It is no root.
    expect(ids(await project.query({ root_task_id: one.task_id }))).toEqual([]);
    expect(ids(await project.query({})).sort()).toEqual(
      [root, one, two, below, deepest, foreign].map(({ task_id }) => task_id).sort(),
    );
  });

  it('by several conditions, of which all must hold', async () => {
    const { root, one, two, below } = await aTree();
    await project.edit(below, { state: 'failed' });
    const { task_id } = below;
    expect(ids(await project.query({ root_task_id: root.task_id, states: ['failed', 'error'] }))).toEqual([task_id]);
    expect(ids(await project.query({ parent_task_id: one.task_id, states: ['queued'] }))).toEqual([]);
    expect(ids(await project.query({ ancestor_task_id: two.task_id, root_task_id: one.task_id }))).toEqual([]);
  });

  it('by pages that lose nothing and repeat nothing, over several trees', async () => {
    await aTree();
    await aTree();
    const all = ids(await project.query({}));
    expect(all).toHaveLength(10);
    const paged: string[] = [];
    for (let cursor: string | undefined; ;) {
      const page = await project.query({ limit: 3, cursor });
      paged.push(...ids(page));
      if (page.next_cursor === null) break;
      cursor = page.next_cursor;
    }
    expect(paged).toEqual(all);
    await expect(project.query({ cursor: 'nonsense' })).rejects.toEqual(refused('cursor_malformed'));
  });

  it('a child that ended, or that failed before it had a session, is listed like the others (Q54, Q55)', async () => {
    const root = await project.create();
    const done = await project.working({ parent_task_id: root.task_id });
    await project.told(done.session, 'completed');
    const failed = await project.child(root);
    await project.edit(failed, { state: 'failed', error: { kind: 'user', code: 'c', message: 'm' } });
    expect((await project.query({ parent_task_id: root.task_id })).data).toMatchObject([
      { task_id: done.task_id, state: 'succeeded', session_id: done.session.session_id },
      { task_id: failed.task_id, state: 'failed', session_id: null, error: { code: 'c' } },
    ]);
  });

  it('says with each task how it and everything below it stands', async () => {
    const { root, one, below, deepest } = await aTree();
    for (const task of [root, one, below]) await project.edit(task, { state: 'succeeded' });
    await project.edit(deepest, { state: 'failed' });
    const [top, first] = (await project.query({ root_task_id: root.task_id })).data;
    expect(top!.subtree).toEqual({
      status: 'in_progress',
      total: 5,
      states: expect.objectContaining({ succeeded: 3, failed: 1, queued: 1 }),
    });
    expect(first!.subtree).toMatchObject({ status: 'error', total: 3 });
    expect((await project.fetch(deepest.task_id)).subtree).toMatchObject({ status: 'error', total: 1 });
  });

  it('leaves out tasks whose session is private to another key', async () => {
    const task = await project.working();
    const addPrivate = `INSERT INTO private_sessions (project_id, session_id, owner_id) VALUES ($1, $2, $3)`;
    await tasks.unitOfWork.query(addPrivate, [project.project_id, task.session.session_id, randomUUID()]);
    expect(ids(await project.query({}))).toEqual([]);
    expect(ids(await project.query({ session_id: task.session.session_id }))).toEqual([]);
    expect((await project.names([task.task_id])).data).toEqual([]);
    await expect(project.query({ root_task_id: task.task_id })).rejects.toEqual(refused('task_not_found'));
  });

  it('a tree of 10 000 descendants is listed by pages, with its sum', async () => {
    const root = await project.create();
    const child = await project.child(root);
    await fill(child, 9_998, 'succeeded');
    const page = await project.query({ ancestor_task_id: root.task_id });
    expect(page.data).toHaveLength(200);
    expect((await project.fetch(root.task_id)).subtree).toMatchObject({ total: 10_000, states: { succeeded: 9_998 } });
    const next = await project.query({ ancestor_task_id: root.task_id, cursor: page.next_cursor! });
    expect(next.data[0]!.spawn_path).toEqual([1, 200]);
  });
});

describe('through a share', () => {
  it('of a tree, its host looks like a root and nothing leads outside', async () => {
    const { one, two, below, deepest, root } = await aTree();
    const by = project.share(one, 'tree');
    expect(await project.fetch(one.task_id, by)).toMatchObject({
      parent_task_id: null,
      root_task_id: one.task_id,
      depth: 0,
      spawn_order: 0,
      spawn_path: [],
      children_count: 1,
      subtree: { total: 3 },
    });
    expect(await project.fetch(deepest.task_id, by)).toMatchObject({
      parent_task_id: below.task_id,
      root_task_id: one.task_id,
      depth: 2,
      spawn_path: [1, 1],
    });
    for (const { task_id } of [root, two]) {
      await expect(project.fetch(task_id, by)).rejects.toEqual(refused('task_not_found'));
      await expect(project.query({ ancestor_task_id: task_id }, by)).rejects.toEqual(refused('task_not_found'));
    }
    const whole = [one, below, deepest].map(({ task_id }) => task_id);
    expect(ids(await project.query({}, by))).toEqual(whole);
    expect(ids(await project.query({ root_task_id: one.task_id }, by))).toEqual(whole);
    expect(ids(await project.query({ ancestor_task_id: one.task_id }, by))).toEqual(whole.slice(1));
  });

  it('of one session, only its task is seen, without any below it (Q60)', async () => {
    const { one, below } = await aTree();
    const by = project.share(one, 'session');
    expect(await project.fetch(one.task_id, by)).toMatchObject({ children_count: 0, subtree: { total: 1 } });
    await expect(project.fetch(below.task_id, by)).rejects.toEqual(refused('task_not_found'));
    expect(ids(await project.query({}, by))).toEqual([one.task_id]);
    expect(ids(await project.query({ parent_task_id: one.task_id }, by))).toEqual([]);
    expect((await project.query({ ancestor_task_id: one.task_id }, by)).activity).toBeNull();
  });

  it('names of the whole tree resolve, and lead nowhere (Q66)', async () => {
    const { root, one, two } = await aTree();
    const by = project.share(one, 'session');
    expect(await project.names([two.task_id, root.task_id], by)).toEqual({
      data: [
        { task_id: root.task_id, name: 'root' },
        { task_id: two.task_id, name: 'two' },
      ],
    });
    await expect(project.fetch(two.task_id, by)).rejects.toEqual(refused('task_not_found'));
  });

  it('names of other trees do not (Q66)', async () => {
    const { one } = await aTree();
    const other = await project.create({ name: 'other' });
    expect(await project.names([other.task_id], project.share(one, 'tree'))).toEqual({ data: [] });
  });
});

describe('names', () => {
  it('an id that is unknown is left out: it is nobody, and never the root (Q64)', async () => {
    const { root } = await aTree();
    expect(await project.names([randomUUID(), root.task_id])).toEqual({
      data: [{ task_id: root.task_id, name: 'root' }],
    });
    expect(await project.names([randomUUID()])).toEqual({ data: [] });
  });

  it('are the name, else the title, else "Agent" (Q67)', async () => {
    const named = await Promise.all([
      project.create({ name: '  the name ', title: 'the title' }),
      project.create({ name: '   ', title: ' the title ' }),
      project.create({ title: ' ' }),
      project.create(),
    ]);
    expect(named.map(({ name }) => name)).toEqual(['the name', 'the title', 'Agent', 'Agent']);
    const { data } = await project.names(named.map(({ task_id }) => task_id));
    expect(data.map(({ name }) => name).sort()).toEqual(['Agent', 'Agent', 'the name', 'the title']);
  });
});

describe('a very long prompt', () => {
  it('is whole where one task is asked for, and cut in lists', async () => {
    const prompt = 'é'.repeat(9_000);
    const { task_id } = await project.create({ prompt });
    expect((await project.fetch(task_id)).prompt).toBe(prompt);
    expect((await project.query({ root_task_id: task_id })).data[0]!.prompt).toBe('é'.repeat(8_192));
  });
});
