import { randomUUID } from 'node:crypto';
import { startStack, type Stack } from './stack.js';

/** What a runner is given with a turn, as far as it matters here. */
interface Grant {
  session_id: string;
  turn_id: string;
  epoch: number;
  log_path: string;
  credential: string;
}

/** Who may call: each with what it was given. */
interface Callers {
  nobody: undefined;
  user: string;
  runner: string;
  /** The turn that the requests are about. */
  turn: string;
  /** The turn before in the same session. */
  earlierTurn: string;
  otherSession: string;
  /** A turn of a session that has the same name. */
  otherProject: string;
  /** The same turn, as it was granted before. */
  olderEpoch: string;
}

const STATUS_OF_SUCCESS = '200';

describe("a turn's credential", () => {
  let stack: Stack;
  let stranger: { api_key: string; runner_key: string };
  beforeAll(async () => {
    stack = await startStack({ runner: false, env: { LEASE_SECONDS: '60' } });
    stranger = await stack.anotherProject();
  }, 60_000);
  afterAll(() => stack?.stop(), 30_000);

  async function call(
    path: string,
    key: string | undefined,
    body?: object,
    headers: Record<string, string> = {},
  ): Promise<{ answer: string; json: unknown }> {
    const response = await fetch(`${stack.url}${path}`, {
      method: body ? 'POST' : 'GET',
      headers: { 'content-type': 'application/json', ...(key && { authorization: `Bearer ${key}` }), ...headers },
      ...(body && { body: JSON.stringify(body) }),
    });
    const text = await response.text();
    const json: unknown = text === '' ? undefined : JSON.parse(text);
    const code = response.ok ? STATUS_OF_SUCCESS : (json as { code: string }).code;
    return { answer: code, json };
  }

  async function succeed<Answer>(path: string, key: string, body: object): Promise<Answer> {
    const { answer, json } = await call(path, key, body);
    expect([path, answer, json]).toEqual([path, STATUS_OF_SUCCESS, expect.anything()]);
    return json as Answer;
  }

  const streams = '/v1/admin/sessions/streams';
  const interactions = '/v1/admin/sessions/interactions';

  /** A runner that hosts nothing, of the project that the keys are of, with a pool of its own. */
  async function runnerOf({ api_key, runner_key }: { api_key: string; runner_key: string }) {
    const [pool, replica_id] = [`p-${randomUUID()}`, randomUUID()];
    const agent = { name: pool };
    await putAgent(api_key, pool);
    await succeed(`${streams}/register`, runner_key, { replica_id, pools: [pool] });
    const claim = async () => {
      const granted = { replica_id, capacity: 1, wait_seconds: 10 };
      const { turns } = await succeed<{ turns: Grant[] }>(`${streams}/claim`, runner_key, granted);
      return turns[0]!;
    };
    return {
      replica_id,
      claim,
      async start(session_id: string): Promise<Grant> {
        const start = { session_id, prompt: 'hi', agent, detached: true, start_within_ms: 0 };
        const { answer } = await call('/v1/sessions/streams/invoke', api_key, start);
        expect(answer).toBe(STATUS_OF_SUCCESS);
        return claim();
      },
      async beat({ session_id, turn_id, epoch }: Grant) {
        const turns = [{ session_id, turn_id, epoch, status: 'running', agent_session_id: 'a' }];
        await succeed(`${streams}/heartbeat`, runner_key, { replica_id, turns });
      },
    };
  }

  const putAgent = async (key: string, name: string) => {
    const response = await fetch(`${stack.url}/v1/agents/${name}`, {
      method: 'PUT',
      headers: { authorization: `Bearer ${key}`, 'content-type': 'application/json' },
      body: JSON.stringify({ harness: 'scripted', pool: name }),
    });
    expect(response.ok).toBe(true);
  };

  /** A turn that runs, and everybody who might want to write for it. */
  async function aTurn() {
    const session_id = `s-${randomUUID()}`;
    const mine = await runnerOf(stack.keys);
    const earlier = await mine.start(session_id);
    await succeed(`${streams}/complete`, earlier.credential, { ...keyOf(earlier), status: 'completed' });
    const older = await mine.start(session_id);
    await succeed(`${streams}/detach`, older.credential, { ...keyOf(older), reason: 'drain' });
    const turn = await mine.claim();
    expect([turn.turn_id, turn.epoch > older.epoch]).toEqual([older.turn_id, true]);
    await mine.beat(turn);
    const callers: Callers = {
      nobody: undefined,
      user: stack.keys.api_key,
      runner: stack.keys.runner_key,
      turn: turn.credential,
      earlierTurn: earlier.credential,
      otherSession: (await mine.start(`s-${randomUUID()}`)).credential,
      otherProject: (await (await runnerOf(stranger)).start(session_id)).credential,
      olderEpoch: older.credential,
    };
    return { turn, older, earlier, replica_id: mine.replica_id, callers };
  }

  const keyOf = ({ session_id, turn_id, epoch }: Grant) => ({ session_id, turn_id, epoch });

  /** A request for a turn, under the credential of `key`. */
  type Route = (turn: Grant, key: string | undefined, replica_id: string) => Promise<{ answer: string }>;

  const routes: Record<string, Route> = {
    register: (_, key, replica_id) => call(`${streams}/register`, key, { replica_id, pools: ['default'] }),
    claim: (_, key, replica_id) => call(`${streams}/claim`, key, { replica_id, capacity: 1, wait_seconds: 0 }),
    'beat of the replica': (turn, key, replica_id) =>
      call(`${streams}/heartbeat`, key, { replica_id, turns: [{ ...keyOf(turn), status: 'running' }] }),
    'beat of the turn': (turn, key) =>
      call(`${streams}/heartbeat`, key, {
        replica_id: turn.turn_id,
        turns: [{ ...keyOf(turn), status: 'running' }],
      }),
    'commands of the replica': (_, key, replica_id) => call(`/v1/stream/runners/${replica_id}/control`, key),
    'commands of the turn': ({ turn_id }, key) => call(`/v1/stream/runners/${turn_id}/control`, key),
    append: ({ log_path, turn_id, epoch }, key) =>
      call(log_path, key, [{ type: 'agent.update', at: new Date().toISOString(), turn_id, data: {} }], {
        'producer-id': 'runner',
        'producer-epoch': String(epoch),
        'producer-seq': '0',
      }),
    raise: (turn, key) => {
      const options = [{ option_id: 'y', name: 'Yes', kind: 'allow_once' }];
      const request = { tool_call: { toolCallId: 'call' }, options };
      return call(interactions, key, { ...keyOf(turn), token: randomUUID(), kind: 'user_approval', request });
    },
    resolve: (turn, key) => call(`${interactions}/${randomUUID()}/resolve`, key, keyOf(turn)),
    merge: (turn, key) => call(`${streams}/merge`, key, { ...keyOf(turn), merged_turn_id: randomUUID() }),
    detach: (turn, key) => call(`${streams}/detach`, key, { ...keyOf(turn), reason: 'drain' }),
    complete: (turn, key) => call(`${streams}/complete`, key, { ...keyOf(turn), status: 'completed' }),
  };

  const none = 'unauthenticated';
  const kind = 'credential_kind';
  const scope = 'credential_scope';
  const ok = STATUS_OF_SUCCESS;

  // What each caller is answered when it asks for the present attempt of the turn.
  // prettier-ignore
  it.each([
    // route,                  nobody, user, runner,           the turn,                earlier turn, other session, other project, older epoch
    ['register',                none, kind, ok,                kind,                    kind,  kind,  kind,  kind],
    ['claim',                   none, kind, ok,                kind,                    kind,  kind,  kind,  kind],
    ['beat of the replica',     none, kind, ok,                scope,                   scope, scope, scope, scope],
    ['beat of the turn',        none, kind, 'replica_unknown', scope,                   scope, scope, scope, scope],
    ['commands of the replica', none, kind, ok,                scope,                   scope, scope, scope, scope],
    ['commands of the turn',    none, kind, 'stream_not_found', scope,                 scope, scope, scope, scope],
    ['append',                  none, kind, kind,              ok,                      scope, scope, scope, scope],
    ['raise',                   none, kind, kind,              ok,                      scope, scope, scope, scope],
    ['resolve',                 none, kind, kind,              'interaction_not_found', scope, scope, scope, scope],
    ['merge',                   none, kind, kind,              'turn_not_found',        scope, scope, scope, scope],
    ['detach',                  none, kind, kind,              ok,                      scope, scope, scope, scope],
    ['complete',                none, kind, kind,              ok,                      scope, scope, scope, scope],
  ])('A4: %s takes what it is for', async (route, nobody, user, runner, turn, earlierTurn, otherSession, otherProject, olderEpoch) => {
    const about = await aTurn();
    const answers: Record<string, string> = {};
    // The turn itself comes last: what it asks for is done.
    const order = Object.entries(about.callers).sort(([one], [other]) => Number(one === 'turn') - Number(other === 'turn'));
    for (const [caller, key] of order) {
      ({ answer: answers[caller] } = await routes[route]!(about.turn, key as string | undefined, about.replica_id));
    }
    expect(answers).toEqual({ nobody, user, runner, turn, earlierTurn, otherSession, otherProject, olderEpoch });
  });

  it.each(['append', 'raise', 'resolve', 'complete'])(
    'A4: %s under the credential of an attempt that is over is refused by the fence, though the credential is good',
    async (route) => {
      const { older, callers, replica_id } = await aTurn();
      expect(await routes[route]!(older, callers.olderEpoch, replica_id)).toMatchObject({ answer: 'stale_epoch' });
    },
  );

  it.each(['append', 'raise'])('A4: nothing can be written by %s for a turn that has ended', async (route) => {
    const { earlier, callers, replica_id } = await aTurn();
    expect(await routes[route]!(earlier, callers.earlierTurn, replica_id)).toMatchObject({ answer: 'stale_epoch' });
  });

  it('A4: the end of a turn and its hand-over can be told again when their answers were lost', async () => {
    const { earlier, older, callers, replica_id } = await aTurn();
    expect(await routes['complete']!(earlier, callers.earlierTurn, replica_id)).toMatchObject({ answer: ok });
    expect(await routes['detach']!(older, callers.olderEpoch, replica_id)).toMatchObject({ answer: ok });
  });

  it.each([
    ['U+0000', 'a\0b'],
    ['half a character', 'a\ud800'],
    ['256 characters too many', 'a'.repeat(512)],
    ['no text, but a hundred levels', JSON.parse(`${'['.repeat(100)}${']'.repeat(100)}`) as unknown],
  ])(
    'a beat whose agent session has %s is malformed, and the other turns of its replica keep their leases',
    async (_, agent_session_id) => {
      const { turn, replica_id } = await aTurn();
      const sound = { ...keyOf(turn), status: 'running' };
      const turns = [{ ...sound, agent_session_id }, sound];
      const { answer, json } = await call(`${streams}/heartbeat`, stack.keys.runner_key, { replica_id, turns });
      expect([answer, json]).toMatchObject([
        ok,
        {
          turns: [
            { turn_id: turn.turn_id, is_current: false, error: { code: 'beat_malformed' } },
            { is_current: true },
          ],
        },
      ]);
    },
  );

  it('A3: the project comes from the credential: the same session of another project is not reached', async () => {
    const { turn, callers, replica_id } = await aTurn();
    await routes['append']!(turn, callers.otherProject, replica_id);
    const { json } = await call(turn.log_path, callers.user);
    expect((json as { type: string }[]).map(({ type }) => type)).not.toContain('agent.update');
  });

  it.each([
    ['a user route', () => `/v1/sessions/query`, {}],
    ['a session', (turn: Grant) => `/v1/sessions/${turn.session_id}`, undefined],
    ['the log that it writes', (turn: Grant) => turn.log_path, undefined],
    ['an invoke', () => '/v1/sessions/streams/invoke', { session_id: 's', prompt: 'hi' }],
    ["a stream of the project's own", () => '/v1/stream/own', undefined],
  ])('A4: opens nothing else: %s', async (_, path, body) => {
    const { turn } = await aTurn();
    expect(await call(path(turn), turn.credential, body)).toMatchObject({ answer: kind });
  });
});
