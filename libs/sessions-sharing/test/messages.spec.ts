import { randomUUID } from 'node:crypto';
import { eventually } from '@holdfast/testing';
import { TaskMessages } from '../src/index.js';
import { TasksRepository } from '../src/tasks/tasks.repository.js';
import { attemptOf, settle, startTasks, type ProjectOfTasks, type Tasks } from './tasks-fixture.js';

let tasks: Tasks;
let other: Tasks;
let project: ProjectOfTasks;

beforeAll(async () => {
  tasks = await startTasks();
  other = await startTasks(tasks);
});
afterAll(async () => {
  await other?.stop();
  await tasks?.stop();
});
beforeEach(() => {
  project = tasks.newProject();
});

const refused = (code: string) => expect.objectContaining({ code });
const bodies = (messages: { body: string }[]) => messages.map(({ body }) => body);

/** An orchestrator with two agents, one of which has an agent of its own. */
async function aTeam() {
  const boss = await project.working({ name: 'boss' });
  const one = await project.working({ name: 'one', parent_task_id: boss.task_id });
  const two = await project.working({ name: 'two', parent_task_id: boss.task_id });
  const below = await project.working({ name: 'below', parent_task_id: one.task_id });
  return { boss, one, two, below };
}

/** A thousand that wait in the box of a task. */
async function fill(task: { task_id: string }, kind: 'message' | 'lifecycle') {
  await tasks.unitOfWork.query(
    `WITH made AS (
       INSERT INTO task_messages (project_id, message_id, root_task_id, kind, body)
       SELECT $1, gen_random_uuid(), $2, $3, '' FROM generate_series(1, 1000) RETURNING message_id)
     INSERT INTO task_message_recipients (project_id, to_task_id, message_id) SELECT $1, $2, message_id FROM made`,
    [project.project_id, task.task_id, kind],
  );
}

/** Ends as everything else that a test started and could not wait for. */
const LONG = 50;

describe('sending', () => {
  it.each<[string, (team: Awaited<ReturnType<typeof aTeam>>) => string, 'boss' | 'one' | 'two']>([
    ['the parent', () => 'parent', 'one'],
    ['the root, as orchestrator', () => 'orchestrator', 'boss'],
    ['a task by its id', ({ two }) => two.task_id.toUpperCase(), 'two'],
    ['a task by its name', () => ' Two ', 'two'],
  ])('reaches %s', async (_, to, recipient) => {
    const team = await aTeam();
    const sent = await project.send(team.below, [to(team)], 'how far are you?');
    expect(sent.to_task_ids).toEqual([team[recipient].task_id]);
    expect((await project.box(team[recipient])).data).toEqual([
      {
        message_id: sent.message_id,
        from_task_id: team.below.task_id,
        from_name: 'below',
        kind: 'message',
        subject: null,
        body: 'how far are you?',
        created_at: expect.any(String),
        delivered_at: null,
        read_at: null,
      },
    ]);
  });

  it('reaches each of several once, however they are named', async () => {
    const { boss, one, below } = await aTeam();
    const { to_task_ids } = await project.send(below, ['parent', 'one', 'orchestrator', one.task_id]);
    expect(to_task_ids).toEqual([one.task_id, boss.task_id]);
    expect((await project.box(one)).data).toHaveLength(1);
  });

  it('is refused for whoever is in no tree, and to whoever is not in this one or not the only one of the name', async () => {
    const { boss, one, below } = await aTeam();
    const stranger = await project.working({ name: 'stranger' });
    await project.working({ name: 'two', parent_task_id: below.task_id });
    for (const to of ['stranger', stranger.task_id, randomUUID(), 'nobody']) {
      await expect(project.send(one, [to])).rejects.toMatchObject({
        code: 'recipient_unknown',
        members: { to, reason: 'unknown' },
      });
    }
    await expect(project.send(one, ['two'])).rejects.toMatchObject({ members: { to: 'two', reason: 'ambiguous' } });
    await expect(project.send(boss, ['parent'])).rejects.toEqual(refused('recipient_unknown'));
    await expect(project.send({ session: project.session() }, ['parent'])).rejects.toEqual(refused('task_missing'));
    await expect(project.send(one, ['boss'], 'é'.repeat(32_769))).rejects.toEqual(refused('task_message_too_large'));
    expect((await project.box(stranger)).data).toEqual([]);
  });

  it('to very many asks once who they are', async () => {
    const { boss, one, two, below } = await aTeam();
    const rows = tasks.app.get(TasksRepository, { strict: false });
    const asked = [jest.spyOn(rows, 'find'), jest.spyOn(rows, 'addressed')];
    const { to_task_ids } = await project.send(below, ['two', 'BOSS', ' one ', two.task_id, 'orchestrator', 'parent']);
    expect(to_task_ids).toEqual([two.task_id, boss.task_id, one.task_id]);
    expect(asked.map(({ mock }) => mock.calls.length)).toEqual([0, 1]);
    for (const spy of asked) spy.mockRestore();
  });

  it('again under the same key sends nothing more, also at the same time', async () => {
    const { boss, one } = await aTeam();
    const sent = await Promise.all(Array.from({ length: 5 }, () => project.send(one, ['boss'], 'x', 'key')));
    expect(new Set(sent.map(({ message_id }) => message_id)).size).toBe(1);
    expect((await project.box(boss)).data).toHaveLength(1);
    await expect(project.send(one, ['boss'], 'y', 'key')).rejects.toEqual(refused('idempotency_key_reused'));
  });

  it('a key is of the turn that chose it', async () => {
    const { boss, one, two } = await aTeam();
    await Promise.all([project.send(one, ['boss'], 'x', 'key'), project.send(two, ['boss'], 'y', 'key')]);
    expect(bodies((await project.box(boss)).data).sort()).toEqual(['x', 'y']);
  });

  it('an attempt that has lost its turn sends, waits for and notes nothing', async () => {
    const { boss, one } = await aTeam();
    const { message_id } = await project.send(one, ['boss']);
    const messages = tasks.app.get(TaskMessages);
    const late = { ...attemptOf(boss), epoch: 0 };
    await expect(messages.send(late, { to: ['one'], body: 'x' }, undefined)).rejects.toEqual(refused('stale_epoch'));
    await expect(messages.wait(late, 0, new AbortController().signal)).rejects.toEqual(refused('stale_epoch'));
    await expect(messages.note(late, 'read', [message_id])).rejects.toEqual(refused('stale_epoch'));
    expect((await project.box(boss)).data).toMatchObject([{ delivered_at: null, read_at: null }]);
  });

  it('is refused while a recipient has 1000 to take', async () => {
    const { boss, one } = await aTeam();
    await fill(boss, 'message');
    await expect(project.send(one, ['boss'])).rejects.toMatchObject({
      code: 'task_limit',
      members: { what: 'undelivered_messages', limit: 1000 },
    });
  });
});

describe('the box of a task', () => {
  it('takes messages however many ends of children are in it', async () => {
    const { boss, one } = await aTeam();
    await fill(boss, 'lifecycle');
    await expect(project.send(one, ['boss'])).resolves.toMatchObject({ to_task_ids: [boss.task_id] });
  });

  it('has its messages by pages, oldest first, and those that were not read', async () => {
    const { boss, one } = await aTeam();
    for (const body of ['a', 'b', 'c', 'd', 'e']) await project.send(one, ['boss'], body);
    const first = await project.box(boss, { limit: 2 });
    const second = await project.box(boss, { limit: 3, cursor: first.next_cursor! });
    expect([...bodies(first.data), ...bodies(second.data)]).toEqual(['a', 'b', 'c', 'd', 'e']);
    expect(second.next_cursor).toBeNull();
    await project.note(boss, 'read', [first.data[0]!.message_id]);
    expect(bodies((await project.box(boss, { unread: true })).data)).toEqual(['b', 'c', 'd', 'e']);
    expect(bodies((await project.box(boss, { unread: false })).data)).toEqual(['a']);
  });

  it('notes once that a message was delivered and read; of the messages of others it notes nothing', async () => {
    const { boss, one, two } = await aTeam();
    const { message_id } = await project.send(one, ['boss']);
    expect(await project.note(two, 'delivered', [message_id])).toEqual([]);
    const noted = await Promise.all(Array.from({ length: 4 }, () => project.note(boss, 'delivered', [message_id])));
    expect(noted.flat()).toEqual([message_id]);
    expect(await project.note(boss, 'read', [message_id, randomUUID()])).toEqual([message_id]);
    const [message] = (await project.box(boss)).data;
    expect(message).toMatchObject({ delivered_at: expect.any(String), read_at: expect.any(String) });
    await tasks.relayer.run();
    const told = (await project.activity(boss)).filter(({ type }) => type.startsWith('task.message'));
    expect(told.map(({ type, task_id }) => [type, task_id])).toEqual([
      ['task.message', one.task_id],
      ['task.message_delivered', boss.task_id],
      ['task.message_read', boss.task_id],
    ]);
    expect(told[0]!.data).toEqual({
      message_id,
      from_task_id: one.task_id,
      to_task_ids: [boss.task_id],
      from_name: 'one',
      kind: 'message',
      subject: null,
      body: 'hello',
    });
    expect(told[1]!.data).toEqual({ message_id, task_id: boss.task_id });
  });

  it('is told in the log of the subtree that sends and in that of the one that receives, and in no other', async () => {
    const { one, two, below } = await aTeam();
    for (const task of [one, two]) await project.openLog(task);
    await tasks.relayer.run();
    const told = async (task: { task_id: string }) => (await project.activity(task)).map(({ type }) => type);
    const [ofOne, ofTwo] = [await told(one), await told(two)];
    await project.send(below, ['two']);
    await project.send(below, ['one']);
    await tasks.relayer.run();
    expect((await told(one)).slice(ofOne.length)).toEqual(['task.message', 'task.message']);
    expect((await told(two)).slice(ofTwo.length)).toEqual(['task.message']);
  });
});

describe('waiting for messages', () => {
  it('gives what was not delivered at once, oldest first, and again until it is noted: shown once by its id', async () => {
    const { boss, one } = await aTeam();
    await project.send(one, ['boss'], 'a');
    await project.send(one, ['boss'], 'b');
    const first = await project.wait(boss, LONG);
    expect(bodies(first)).toEqual(['a', 'b']);
    expect(await project.wait(boss, LONG)).toEqual(first);
    await project.note(boss, 'delivered', [first[0]!.message_id]);
    expect(bodies(await project.wait(boss, LONG))).toEqual(['b']);
    await project.note(boss, 'delivered', [first[1]!.message_id]);
    expect(await project.wait(boss, 0)).toEqual([]);
  });

  it('ends as soon as there is one, sent over any process', async () => {
    const { boss, one } = await aTeam();
    const waiting = project.wait(boss, LONG);
    await eventually(async () => expect((await project.fetch(boss.task_id)).waiting).toBe(true));
    const elsewhere = Object.assign(other.newProject(), {
      project_id: project.project_id,
      principal: project.principal,
    });
    await elsewhere.send(one, ['boss'], 'from there');
    expect(bodies(await waiting)).toEqual(['from there']);
  });

  it('shows its task as waiting meanwhile, and not any more afterwards', async () => {
    const { boss, one } = await aTeam();
    await project.told(boss.session, 'running');
    const waiting = project.wait(boss, LONG);
    await eventually(async () =>
      expect(await project.fetch(boss.task_id)).toMatchObject({ waiting: true, subtree: { status: 'waiting' } }),
    );
    await project.send(one, ['boss']);
    await waiting;
    expect(await project.fetch(boss.task_id)).toMatchObject({ waiting: false, state: 'in_progress' });
    await tasks.relayer.run();
    const told = (await project.activity(boss)).filter(
      ({ type, task_id }) => type === 'task.updated' && task_id === boss.task_id,
    );
    expect(told.map(({ data }) => data.task!.waiting)).toEqual([false, true, false]);
  });

  it('a wait that is cut is over, and a message that comes then is given to the next one', async () => {
    const { boss, one } = await aTeam();
    const cut = new AbortController();
    const waiting = project.wait(boss, LONG, cut.signal);
    await eventually(async () => expect((await project.fetch(boss.task_id)).waiting).toBe(true));
    cut.abort();
    expect(await waiting).toEqual([]);
    expect((await project.fetch(boss.task_id)).waiting).toBe(false);
    await project.send(one, ['boss'], 'later');
    expect(bodies(await project.wait(boss, LONG))).toEqual(['later']);
  });

  it('the end of a wait that was cut does not end the one that took its place', async () => {
    const { boss, one } = await aTeam();
    const cut = new AbortController();
    const first = project.wait(boss, LONG, cut.signal);
    const waitId = async () =>
      (await tasks.unitOfWork.queryOne<{ wait_id: string | null }>(`SELECT wait_id FROM tasks WHERE task_id = $1`, [
        boss.task_id,
      ]))!.wait_id;
    await eventually(async () => expect(await waitId()).not.toBeNull());
    const before = await waitId();
    const second = project.wait(boss, LONG);
    await eventually(async () => expect(await waitId()).not.toBe(before));
    cut.abort();
    await first;
    expect((await project.fetch(boss.task_id)).waiting).toBe(true);
    await project.send(one, ['boss']);
    expect(await second).toHaveLength(1);
    expect((await project.fetch(boss.task_id)).waiting).toBe(false);
  });

  it('many who send and two who wait at once: each message is given at least once and noted once', async () => {
    const { boss, one, two, below } = await aTeam();
    const expected = Array.from({ length: 24 }, (_, index) => `m${index}`);
    const shown: string[] = [];
    const agent = async () => {
      while (new Set(shown).size < expected.length) {
        const messages = await project.wait(boss, 1);
        const mine = await project.note(
          boss,
          'delivered',
          messages.map(({ message_id }) => message_id),
        );
        shown.push(...messages.filter(({ message_id }) => mine.includes(message_id)).map(({ body }) => body));
      }
    };
    const { codes } = await settle([
      agent(),
      agent(),
      ...expected.map(async (body, index) => {
        await project.send([one, two, below][index % 3]!, ['orchestrator'], body);
      }),
    ]);
    expect(codes).toEqual([]);
    expect([...shown].sort()).toEqual([...expected].sort());
  });

  it("a turn's end ends the wait of its agent for whoever looks", async () => {
    const { boss } = await aTeam();
    await project.told(boss.session, 'running');
    const cut = new AbortController();
    const waiting = project.wait(boss, LONG, cut.signal);
    await eventually(async () => expect((await project.fetch(boss.task_id)).waiting).toBe(true));
    await project.told(boss.session, 'completed');
    expect(await project.fetch(boss.task_id)).toMatchObject({ waiting: false, state: 'succeeded' });
    cut.abort();
    await waiting;
  });

  it('is refused for whoever is in no tree', async () => {
    await expect(project.wait({ session: project.session() }, 0)).rejects.toEqual(refused('task_missing'));
  });
});

describe("the end of a child's task", () => {
  it.each(['completed', 'failed', 'lost', 'cancelled'] as const)(
    'reaches its parent as a message (%s)',
    async (kind) => {
      const { boss, one, below } = await aTeam();
      await project.told(below.session, 'running');
      const waiting = project.wait(one, LONG);
      await project.told(below.session, kind, { error: { code: 'agent_exited', message: 'It ended.' } });
      const { state } = await project.fetch(below.task_id);
      expect(await waiting).toMatchObject([
        {
          kind: 'lifecycle',
          from_task_id: below.task_id,
          from_name: 'below',
          subject: state,
          body: expect.stringContaining(state),
        },
      ]);
      await project.told(below.session, kind);
      expect((await project.box(one)).data).toHaveLength(1);
      expect((await project.box(boss)).data).toEqual([]);
    },
  );

  it('again leaves only the newest that its parent did not take', async () => {
    const { one, below } = await aTeam();
    await project.told(below.session, 'running');
    await project.told(below.session, 'failed', { error: { code: 'agent_exited', message: 'It ended.' } });
    for (const kind of ['queued', 'running', 'completed'] as const) {
      await project.told(below.session, kind, { turn_index: 1 });
    }
    expect((await project.box(one)).data).toMatchObject([{ kind: 'lifecycle', subject: 'succeeded' }]);
  });
});
