import { randomUUID } from 'node:crypto';
import path from 'node:path';
import { pathToFileURL } from 'node:url';
import { eventually } from '@holdfast/testing';
import { service, startStack, type Service, type Stack } from './stack.js';

interface Grant {
  session_id: string;
  turn_id: string;
  epoch: number;
  credential: string;
}
interface Task {
  task_id: string;
  name: string;
  state: string;
  waiting: boolean;
}
interface ActivityEvent {
  type: string;
  task_id: string;
  data: { task?: Task };
}
interface Message {
  message_id: string;
  body: string;
  kind: string;
}

const TASKS = '/v1/sessions/tasks';
const ADMIN = '/v1/admin/sessions/tasks';
const BOX = `${ADMIN}/messages`;

describe('trees of tasks over HTTP', () => {
  let stack: Stack;
  beforeAll(async () => {
    stack = await startStack({ apis: 2, runner: false, env: { LEASE_SECONDS: '120' } });
  }, 90_000);
  afterAll(() => stack?.stop(), 30_000);

  async function call(method: string, where: string, key: string, body?: object, signal?: AbortSignal) {
    const response = await fetch(`${stack.url}${where}`, {
      method,
      headers: { authorization: `Bearer ${key}`, ...(body && { 'content-type': 'application/json' }) },
      ...(body && { body: JSON.stringify(body) }),
      ...(signal && { signal }),
    });
    return { status: response.status, json: (await response.json()) as Record<string, unknown> };
  }
  async function succeed<Answer>(method: string, where: string, key: string, body?: object): Promise<Answer> {
    const { status, json } = await call(method, where, key, body);
    expect({ where, status, json, ok: status < 300 }).toEqual({ where, status, json, ok: true });
    return json as Answer;
  }
  const user = <Answer>(method: string, where: string, body?: object) =>
    succeed<Answer>(method, where, stack.keys.api_key, body);
  const create = (task: object) => user<Task>('POST', TASKS, task);
  const fetchTask = ({ task_id }: Task) => user<Task>('GET', `${TASKS}/${task_id}`);

  /** All that the log holds now. */
  async function activity({ task_id }: Task): Promise<ActivityEvent[]> {
    const events: ActivityEvent[] = [];
    for (let offset = '-1'; ;) {
      const response = await fetch(`${stack.url}/v1/stream/tasks/${task_id}/activity?offset=${offset}`, {
        headers: { authorization: `Bearer ${stack.keys.api_key}` },
      });
      expect(response.status).toBe(200);
      events.push(...((await response.json()) as ActivityEvent[]));
      offset = response.headers.get('stream-next-offset')!;
      if (response.headers.get('stream-up-to-date') === 'true') return events;
    }
  }

  /** A runner that hosts nothing, and the agents that are taken to run on it. */
  async function machine() {
    const [replica_id, private_pool] = [randomUUID(), `m-${randomUUID()}`];
    const { runner_key } = stack.keys;
    const register = { replica_id, private_pool, pools: [] };
    await succeed('POST', '/v1/admin/sessions/streams/register', runner_key, register);
    const granted: Grant[] = [];
    const claim = async (session_id: string): Promise<Grant> => {
      for (;;) {
        const found = granted.find((grant) => grant.session_id === session_id);
        if (found) return found;
        const wanted = { replica_id, capacity: 500, wait_seconds: 10 };
        const claimed = await succeed<{ turns: Grant[] }>(
          'POST',
          '/v1/admin/sessions/streams/claim',
          runner_key,
          wanted,
        );
        granted.push(...claimed.turns);
      }
    };
    return {
      async begin(): Promise<Grant> {
        const invoke = { session_id: `s-${randomUUID()}`, prompt: 'lead', detached: true, start_within_ms: 0 };
        await user('POST', '/v1/sessions/streams/invoke', { ...invoke, local: { private_pool } });
        return claim(invoke.session_id);
      },
      /** Agents below that of the credential, taken to run. */
      async start(credential: string, ...names: string[]): Promise<(Grant & Task)[]> {
        const agents = names.map((name) => ({ name, prompt: 'do it', mode: 'local' }));
        const started = await succeed<{ agents: (Task & { session_id: string })[] }>(
          'POST',
          `${ADMIN}/run`,
          credential,
          { agents },
        );
        const grants: (Grant & Task)[] = [];
        for (const agent of started.agents) grants.push({ ...agent, ...(await claim(agent.session_id)) });
        return grants;
      },
    };
  }
  const ownTask = async ({ session_id }: Grant): Promise<Task> =>
    (await user<{ data: Task[] }>('POST', `${TASKS}/query`, { session_id })).data[0]!;

  it('two workers, one of them killed and started again meanwhile, tell each event once and those of each task in order', async () => {
    const second = anotherWorker(stack);
    await second.start();
    try {
      const root = await create({ name: 'root' });
      const children = await Promise.all(
        Array.from({ length: 6 }, () => create({ parent_task_id: root.task_id, name: 'at first' })),
      );
      const STEPS = 20;
      const editing = children.map(async ({ task_id }) => {
        for (let step = 0; step < STEPS; step++) {
          await user('PATCH', `${TASKS}/${task_id}`, { name: `step ${step}` });
        }
      });
      for (let round = 0; round < 2; round++) {
        await second.kill();
        await second.start();
      }
      await second.kill();
      await Promise.all(editing);
      const expected = 1 + children.length * (STEPS + 1);
      await eventually(async () => expect(await activity(root)).toHaveLength(expected), { timeout: 30_000 });
      const events = await activity(root);
      for (const { task_id } of children) {
        const names = events.filter((event) => event.task_id === task_id).map(({ data }) => data.task!.name);
        expect(names).toEqual(['at first', ...Array.from({ length: STEPS }, (_, step) => `step ${step}`)]);
      }
    } finally {
      await second.kill();
    }
  }, 120_000);

  it('a subtree is killed although the workers are killed half way, and whatever stands beside it runs on', async () => {
    const here = await machine();
    const boss = await here.begin();
    const [spared, doomed] = await here.start(boss.credential, 'spared', 'doomed');
    let layer = [doomed!];
    const all = [doomed!];
    for (let depth = 0; depth < 3; depth++) {
      const below = await Promise.all(layer.map(({ credential }) => here.start(credential, 'a', 'b', 'c')));
      layer = below.flat().slice(0, 4);
      all.push(...below.flat());
    }
    await stack.workers.kill();
    const request = user<{ ended: number; remaining: number }>('POST', `${TASKS}/kill`, { task_id: doomed!.task_id });
    await stack.workers.start();
    await stack.workers.kill();
    await stack.workers.start();
    await request;
    await eventually(
      async () => {
        const states = await Promise.all(all.map(async (task) => (await fetchTask(task)).state));
        expect(new Set(states)).toEqual(new Set(['cancelled']));
      },
      { timeout: 60_000 },
    );
    expect((await fetchTask(spared!)).state).toBe('claimed');
    expect(await user('POST', `${TASKS}/kill`, { task_id: doomed!.task_id })).toEqual({
      task_id: doomed!.task_id,
      stopping: 'kill',
      ended: 0,
      remaining: 0,
    });
    const refusal = await call('POST', `${ADMIN}/run`, doomed!.credential, { agents: [{ name: 'x', prompt: 'y' }] });
    expect(refusal).toMatchObject({ status: 403, json: { code: 'stale_epoch' } });
  }, 180_000);

  it('agents of a tree write to each other over any api; a wait whose connection is cut loses nothing', async () => {
    const here = await machine();
    const boss = await here.begin();
    const [one] = await here.start(boss.credential, 'one');
    const wait = async (seconds: number, signal?: AbortSignal) => {
      const answer = await call('POST', `${BOX}/wait`, one!.credential, { timeout_seconds: seconds }, signal);
      expect(answer.status).toBe(200);
      return (answer.json as unknown as { messages: Message[] }).messages;
    };
    const cut = new AbortController();
    const first = wait(50, cut.signal).catch((error: Error) => error.name);
    await eventually(async () => expect((await fetchTask(one!)).waiting).toBe(true));
    cut.abort();
    expect(await first).toBe('AbortError');
    await eventually(async () => expect((await fetchTask(one!)).waiting).toBe(false));

    const sent = await succeed<{ message_id: string }>('POST', BOX, boss.credential, { to: ['one'], body: 'go on' });
    expect(await wait(50)).toMatchObject([{ message_id: sent.message_id, body: 'go on', kind: 'message' }]);
    // Not taken: the answer may have been lost.
    expect(await wait(50)).toMatchObject([{ message_id: sent.message_id }]);
    const note = { message_ids: [sent.message_id] };
    expect(await succeed('POST', `${BOX}/delivered`, one!.credential, note)).toEqual(note);
    expect(await succeed('POST', `${BOX}/delivered`, one!.credential, note)).toEqual({ message_ids: [] });
    expect(await wait(0)).toEqual([]);

    const ended = call('POST', `${BOX}/wait`, boss.credential, { timeout_seconds: 50 });
    const { session_id, turn_id, epoch } = one!;
    const complete = { session_id, turn_id, epoch, status: 'completed' };
    await succeed('POST', '/v1/admin/sessions/streams/complete', one!.credential, complete);
    expect((await ended).json).toMatchObject({
      messages: [{ kind: 'lifecycle', from_task_id: one!.task_id, subject: 'succeeded' }],
    });
  }, 60_000);

  it('nothing of a tree is there for another project', async () => {
    const here = await machine();
    const boss = await here.begin();
    await here.start(boss.credential, 'one');
    const { task_id } = await ownTask(boss);
    const { api_key } = await stack.anotherProject();
    const refused = async (method: string, where: string, body?: object) =>
      expect(await call(method, where, api_key, body)).toMatchObject({ status: 404, json: { code: 'task_not_found' } });
    await refused('GET', `${TASKS}/${task_id}`);
    await refused('PATCH', `${TASKS}/${task_id}`, { name: 'x' });
    await refused('POST', TASKS, { parent_task_id: task_id });
    for (const key of ['parent_task_id', 'ancestor_task_id', 'root_task_id']) {
      await refused('POST', `${TASKS}/query`, { [key]: task_id });
    }
    for (const how of ['cancel', 'kill']) await refused('POST', `${TASKS}/${how}`, { task_id });
    expect(await call('POST', `${TASKS}/names`, api_key, { task_ids: [task_id] })).toMatchObject({
      status: 200,
      json: { data: [] },
    });
    expect(await call('GET', `/v1/stream/tasks/${task_id}/activity?offset=-1`, api_key)).toMatchObject({ status: 404 });
  });

  it('the activity of a task is written by nobody but the server', async () => {
    const { task_id } = await create({});
    for (const method of ['PUT', 'POST', 'DELETE']) {
      const where = `/v1/stream/tasks/${task_id}/activity`;
      const refusal = await call(method, where, stack.keys.api_key, method === 'DELETE' ? undefined : {});
      expect(refusal).toMatchObject({ status: 403, json: { code: 'stream_reserved' } });
    }
  });
});

/** Beside the one of the stack, on the same database. */
function anotherWorker({ folder, databaseUrl }: Stack): Service {
  const env = {
    PATH: process.env['PATH'] ?? '',
    HOME: folder,
    DATABASE_URL: databaseUrl(),
    BLOBS_URL: pathToFileURL(path.join(folder, 'blobs')).href,
    LOG_LEVEL: 'info',
  };
  const file = path.resolve(import.meta.dirname, '../../workers/dist/main.js');
  const worker: Service = service('another worker', file, env, async () => {
    if (!/ready/.test(worker.output())) throw new Error('not ready yet');
  });
  return worker;
}
