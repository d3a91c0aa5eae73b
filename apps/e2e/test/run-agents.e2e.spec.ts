import { randomUUID } from 'node:crypto';
import { request } from 'node:http';
import { startStack, type Stack } from './stack.js';

interface Grant {
  session_id: string;
  turn_id: string;
  epoch: number;
  prompt: string;
  credential: string;
}

interface Started {
  agents: {
    task_id: string;
    name: string;
    session_id: string | null;
    mode: string;
    state: string;
    error: object | null;
  }[];
}

const RUN = '/v1/admin/sessions/tasks/run';

describe('starting agents over HTTP', () => {
  let stack: Stack;
  beforeAll(async () => {
    stack = await startStack({ runner: false, env: { LEASE_SECONDS: '60' } });
  }, 60_000);
  afterAll(() => stack?.stop(), 30_000);

  async function call<Answer>(path: string, key: string, body: object, idempotencyKey?: string) {
    const response = await fetch(`${stack.url}${path}`, {
      method: 'POST',
      headers: {
        'content-type': 'application/json',
        authorization: `Bearer ${key}`,
        ...(idempotencyKey && { 'idempotency-key': idempotencyKey }),
      },
      body: JSON.stringify(body),
    });
    const json = (await response.json()) as Answer & { code?: string };
    return { status: response.status, code: json.code, json };
  }
  async function succeed<Answer>(path: string, key: string, body: object, idempotencyKey?: string): Promise<Answer> {
    const { status, json } = await call<Answer>(path, key, body, idempotencyKey);
    expect([path, status, json]).toEqual([
      path,
      expect.any(Number),
      expect.not.objectContaining({ code: expect.anything() }),
    ]);
    return json;
  }

  /** A machine with a runner of its own that hosts nothing. */
  async function machine(pools: string[] = []) {
    const [replica_id, private_pool] = [randomUUID(), `m-${randomUUID()}`];
    const { runner_key, api_key } = stack.keys;
    await succeed('/v1/admin/sessions/streams/register', runner_key, { replica_id, private_pool, pools });
    const claim = async (wait_seconds = 10): Promise<Grant[]> => {
      const wanted = { replica_id, capacity: 50, wait_seconds };
      return (await succeed<{ turns: Grant[] }>('/v1/admin/sessions/streams/claim', runner_key, wanted)).turns;
    };
    return {
      claim,
      /** A turn of `holdfast run --local`. */
      async begin(session_id = `s-${randomUUID()}`): Promise<Grant> {
        const local = { private_pool };
        const invoke = { session_id, prompt: 'lead', detached: true, start_within_ms: 0, local };
        await succeed('/v1/sessions/streams/invoke', api_key, invoke);
        return (await claim())[0]!;
      },
    };
  }
  const agents = (...names: string[]) => ({
    agents: names.map((name) => ({ name, prompt: `do ${name}`, mode: 'local' })),
  });

  it('an agent on a machine starts others there, and is told of the one that did not start', async () => {
    const here = await machine();
    const parent = await here.begin();
    const asked = {
      agents: [...agents('one').agents, { name: 'strange', prompt: 'hi', agent: { name: 'nobody' } }],
    };
    const started = await succeed<Started>(RUN, parent.credential, asked);
    expect(started.agents).toEqual([
      {
        task_id: expect.any(String),
        name: 'one',
        session_id: `task-${started.agents[0]!.task_id}`,
        mode: 'local',
        state: 'queued',
        error: null,
      },
      {
        task_id: expect.any(String),
        name: 'strange',
        session_id: null,
        mode: 'remote',
        state: 'failed',
        error: { kind: 'user', code: 'agent_not_found', message: expect.any(String) },
      },
    ]);
    const [child] = await here.claim();
    expect(child).toMatchObject({ session_id: started.agents[0]!.session_id, prompt: 'do one' });
    // And that one starts its own, under its own credential.
    const grandchildren = await succeed<Started>(RUN, child!.credential, agents('two'));
    expect(await here.claim()).toMatchObject([{ session_id: grandchildren.agents[0]!.session_id }]);
  });

  it('takes the credential of a turn, and what it says', async () => {
    const parent = await (await machine()).begin();
    for (const key of [stack.keys.api_key, stack.keys.runner_key]) {
      expect(await call(RUN, key, agents('one'))).toMatchObject({ status: 403, code: 'credential_kind' });
    }
    for (const body of [
      {},
      { agents: [] },
      agents(''),
      { agents: [{ name: 'a' }] },
      { agents: Array(21).fill(agents('a').agents[0]) },
    ]) {
      expect(await call(RUN, parent.credential, body)).toMatchObject({ status: 400, code: 'request_invalid' });
    }
    await succeed('/v1/sessions/streams/kill', stack.keys.api_key, { session_id: parent.session_id });
    expect(await call(RUN, parent.credential, agents('one'))).toMatchObject({ status: 403, code: 'stale_epoch' });
  });

  it('whoever was cut off asks again under the same key: nobody is started twice, and the answer is the same', async () => {
    const here = await machine();
    const parent = await here.begin();
    const body = JSON.stringify(agents('one', 'two', 'three'));
    const key = randomUUID();
    for (let n = 0; n < 3; n++) {
      await new Promise<void>((resolve) => {
        const sent = request(`${stack.url}${RUN}`, {
          method: 'POST',
          headers: {
            'content-type': 'application/json',
            authorization: `Bearer ${parent.credential}`,
            'idempotency-key': key,
          },
        });
        sent.on('error', () => resolve());
        sent.on('close', () => resolve());
        // Gone as soon as everything is sent, whatever becomes of it there.
        sent.end(body, () => sent.destroy());
      });
    }
    const first = await succeed<Started>(RUN, parent.credential, JSON.parse(body) as object, key);
    expect(await succeed<Started>(RUN, parent.credential, JSON.parse(body) as object, key)).toEqual(first);
    const claimed: string[] = [];
    for (let grants = await here.claim(); grants.length; grants = await here.claim(0)) {
      claimed.push(...grants.map(({ session_id }) => session_id));
    }
    expect(claimed.sort()).toEqual(first.agents.map(({ session_id }) => session_id).sort());
  });

  it('an api that dies makes all of them or none, and a retry makes what is missing', async () => {
    const here = await machine();
    const parent = await here.begin();
    const asked = agents(...Array.from({ length: 20 }, (_, n) => `agent ${n}`));
    const key = randomUUID();
    const cut = call(RUN, parent.credential, asked, key).catch(() => undefined);
    await stack.api.kill();
    await cut;
    await stack.api.start();
    const { agents: started } = await succeed<Started>(RUN, parent.credential, asked, key);
    expect(started.map(({ state }) => state)).toEqual(Array(20).fill('queued'));
    const claimed: string[] = [];
    for (let grants = await here.claim(); grants.length; grants = await here.claim(0)) {
      claimed.push(...grants.map(({ session_id }) => session_id));
    }
    expect(claimed.sort()).toEqual(started.map(({ session_id }) => session_id).sort());
  }, 120_000);
});
