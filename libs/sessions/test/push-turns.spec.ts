import { randomUUID } from 'node:crypto';
import { once } from 'node:events';
import { createServer, type IncomingMessage, type RequestListener, type Server } from 'node:http';
import { createServer as createTcpServer, type AddressInfo, type Server as TcpServer } from 'node:net';
import { createHash, createPublicKey, verify, type JsonWebKey } from 'node:crypto';
import { Test, type TestingModule } from '@nestjs/testing';
import { AgentsService } from '@holdfast/agents';
import { DEFAULT_DURABLE_STREAMS_CONFIG, LogReader, pageBytes, SigningKeys } from '@holdfast/durable-streams';
import { ApiKeys, AuthModule, PERMISSIONS, TurnCredentials, type Principal } from '@holdfast/platform-auth';
import { PostgresModule, UnitOfWork } from '@holdfast/platform-postgres';
import { QueueModule } from '@holdfast/platform-queue';
import { SignalsModule } from '@holdfast/platform-signals';
import { runInContext, TelemetryModule } from '@holdfast/platform-telemetry';
import { SessionInteractionsService } from '@holdfast/sessions-interactions';
import {
  DEFAULT_STREAMS_CONFIG,
  SessionStreamsReader,
  TurnBeatsService,
  TurnClaimsService,
  TurnTakeoverService,
  type SessionEvent,
  type SessionStreamInvoke,
} from '@holdfast/sessions-streams';
import { TriggerDeliveriesReader, TriggerDeliveriesService } from '@holdfast/sessions-triggers';
import { eventually, testPostgres, type TestPostgres } from '@holdfast/testing';
import {
  AwaitStartFlow,
  CompleteTurnFlow,
  DeleteSessionFlow,
  InvokeSessionFlow,
  persistence,
  SessionsModule,
  StartPushTurnFlow,
} from '../src/index.js';
import { NoBlobs } from './no-blobs.js';
import type { PushRequest } from '../src/push/push-request.js';

const accept: RequestListener = (_request, response) => void response.end('{"type":"accepted"}\n');
const hang: RequestListener = () => undefined;

describe('a turn that is pushed to a service', () => {
  let database: TestPostgres;
  let app: TestingModule;
  let principal: Principal;
  /** The same in another process. */
  let other: TestingModule;
  /** The same, where services have a moment only. */
  let hasty: TestingModule;
  const servers: (Server | TcpServer)[] = [];

  const start = async (acceptSeconds: number, leaseSeconds: number) => {
    const started = await Test.createTestingModule({
      imports: [
        TelemetryModule.forRoot({ app: 'test', logLevel: 'silent', pretty: false }),
        PostgresModule.forRoot({ url: database.url, poolSize: 5, applicationName: 'test' }, persistence),
        SignalsModule.forRoot({ postgresUrl: database.url }),
        QueueModule.forRoot({ postgresUrl: database.url, queues: [] }),
        AuthModule.forRoot(),
        NoBlobs,
        SessionsModule.forRoot({ ...DEFAULT_STREAMS_CONFIG, leaseSeconds }, DEFAULT_DURABLE_STREAMS_CONFIG, {
          reach: 'private',
          acceptSeconds,
        }),
      ],
    }).compile();
    await started.init();
    return started;
  };

  beforeAll(async () => {
    database = await testPostgres(persistence);
    app = await start(60, 120);
    other = await start(60, 120);
    hasty = await start(0.2, 120);
    principal = await aProject();
  });
  afterEach(async () => {
    for (const server of servers.splice(0)) {
      if ('closeAllConnections' in server) server.closeAllConnections();
      server.close();
    }
  });
  afterAll(async () => {
    await app.close();
    await other.close();
    await hasty.close();
    await database.drop();
  });

  const aProject = () =>
    app.get(UnitOfWork).run(async (tx) => {
      const keys = app.get(ApiKeys);
      const project_id = await keys.createProject(tx, { name: 'test' });
      const permissions = [...PERMISSIONS];
      const { id } = await keys.createKey(tx, { project_id, name: 'user', kind: 'user', permissions });
      return { project_id, key_id: id, kind: 'user' as const, permissions };
    });

  /** A service that answers as told, and what it was sent. */
  async function serve(listener: RequestListener) {
    const calls: { request: IncomingMessage; raw: Buffer; body: PushRequest }[] = [];
    const server = createServer((request, response) => {
      const chunks: Buffer[] = [];
      request.on('data', (chunk: Buffer) => chunks.push(chunk));
      request.on('end', () => {
        const raw = Buffer.concat(chunks);
        calls.push({ request, raw, body: JSON.parse(raw.toString()) as PushRequest });
        listener(request, response);
      });
    });
    return { url: `${await listen(server)}/start`, calls };
  }

  async function listen(server: Server | TcpServer): Promise<string> {
    servers.push(server);
    server.listen(0, '127.0.0.1');
    await once(server, 'listening');
    return `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  }

  /** A turn in line for the service, in a session of its own. */
  async function aTurn(push_url: string, owner: Principal = principal) {
    const { project_id } = owner;
    const session_id = `s-${randomUUID()}`;
    const name = `port-${new URL(push_url).port}`;
    await app
      .get(AgentsService)
      .setAgent({ project_id, by_id: owner.key_id }, name, { harness: 'push', push_url, model: 'm' });
    const { turn_id } = await send(session_id, name, owner);
    return { project_id, session_id, turn_id: turn_id! };
  }
  const send = (session_id: string, name?: string, owner: Principal = principal) =>
    app
      .get(InvokeSessionFlow)
      .run(owner, { session_id, prompt: 'hello', detached: true, ...(name && { agent: { name } }) }, undefined);

  type Turn = Awaited<ReturnType<typeof aTurn>>;
  const push = (turn: Turn, within = app) => within.get(StartPushTurnFlow).run(turn, async () => true);
  const state = ({ project_id, turn_id }: Turn) => app.get(SessionStreamsReader).fetchTurn(project_id, turn_id);
  const events = async ({ project_id, session_id }: Turn) => {
    const reader = app.get(LogReader);
    const head = await reader.head({ project_id, path: `sessions/${session_id}/events` });
    return JSON.parse(`[${pageBytes(await reader.page(head, 0)).toString()}]`) as SessionEvent[];
  };
  const types = async (turn: Turn) => (await events(turn)).map(({ type }) => type);
  /** What the job of the turn's delivery would make of it now. */
  const delivery = async (turn: Turn) => {
    await app.get(UnitOfWork).run((tx) => app.get(TriggerDeliveriesService).reconcile(tx, turn));
    return (await app.get(TriggerDeliveriesReader).query(turn.project_id, { turn_id: turn.turn_id, limit: 1 })).data[0];
  };
  const jobs = (turn: Turn, job: string) =>
    app.get(UnitOfWork).query<{ payload: object; done: boolean }>(
      `SELECT payload, done_at IS NOT NULL AS done FROM outbox
          WHERE project_id = $1 AND job = $2 AND payload->>'turn_id' = $3 ORDER BY id`,
      [turn.project_id, job, turn.turn_id],
    );
  const beat = ({ project_id, session_id, turn_id }: Turn, epoch: number) =>
    app
      .get(TurnBeatsService)
      .beat({ project_id, replica_id: turn_id, key_id: turn_id }, [{ session_id, turn_id, epoch, status: 'running' }]);
  const complete = ({ project_id, session_id, turn_id }: Turn, epoch: number) =>
    app.get(CompleteTurnFlow).run(project_id, { session_id, turn_id, epoch, status: 'completed' });

  it('leaves the call to the workers, in the transaction that starts it', async () => {
    const { url, calls } = await serve(accept);
    const turn = await aTurn(url);
    expect(await jobs(turn, 'start-push-turn')).toEqual([
      { payload: { session_id: turn.session_id, turn_id: turn.turn_id }, done: false },
    ]);
    expect(calls).toEqual([]);
    expect(await delivery(turn)).toMatchObject({ status: 'pending', dispatched_at: null });
  });

  it('runs once the service has accepted it, and its delivery is dispatched at that moment (J5)', async () => {
    const { url, calls } = await serve(accept);
    const turn = await aTurn(url);
    expect(await push(turn)).toBe('accepted');
    expect(calls).toHaveLength(1);
    expect(await types(turn)).toEqual(['session.created', 'turn.queued', 'turn.starting', 'turn.running']);
    expect(await state(turn)).toMatchObject({ status: 'running', attempt: 1 });
    // One for each: it was made, claimed, accepted.
    expect(await jobs(turn, 'reconcile-trigger-delivery')).toHaveLength(3);
    expect(await delivery(turn)).toMatchObject({
      status: 'dispatched',
      session_id: turn.session_id,
      dispatched_at: expect.any(String),
    });

    await complete(turn, calls[0]!.body.epoch);
    expect(await delivery(turn)).toMatchObject({ status: 'completed', closed_at: expect.any(String) });
  });

  it('is the same turn in the answer, the call, its events, its questions and its delivery (A8)', async () => {
    const { url, calls } = await serve(accept);
    const turn = await aTurn(url);
    await push(turn);
    const { body } = calls[0]!;
    expect(body).toMatchObject({
      turn_id: turn.turn_id,
      session_id: turn.session_id,
      prompt: 'hello',
      model: 'm',
      attempt: 1,
      control_path: `/v1/stream/runners/${turn.turn_id}/control`,
    });
    const question = await app.get(SessionInteractionsService).raise(
      { ...turn, epoch: body.epoch },
      {
        token: randomUUID(),
        kind: 'user_approval',
        request: { tool_call: { title: 'x' }, options: [{ option_id: 'a', name: 'Yes', kind: 'allow_once' }] },
      },
    );
    expect(question.turn_id).toBe(turn.turn_id);
    const ofTurn = (await events(turn)).filter(({ type }) => type !== 'session.created');
    expect(new Set(ofTurn.map(({ turn_id }) => turn_id))).toEqual(new Set([turn.turn_id]));
    expect(await delivery(turn)).toMatchObject({ turn_id: turn.turn_id });
  });

  it('has a credential for its attempt, which is told to nobody but the service', async () => {
    const { url, calls } = await serve(accept);
    const turn = await aTurn(url);
    await push(turn);
    const { credential, epoch } = calls[0]!.body;
    expect(await app.get(TurnCredentials).authenticate(credential)).toMatchObject({
      project_id: turn.project_id,
      key_id: turn.turn_id,
      kind: 'turn',
      turn: { session_id: turn.session_id, turn_id: turn.turn_id, epoch },
    });
    expect(JSON.stringify(await events(turn))).not.toContain('hf_turn_');
    const outbox = await app.get(UnitOfWork).query(`SELECT payload FROM outbox`);
    expect(JSON.stringify(outbox)).not.toContain('hf_turn_');
  });

  it('is signed, named by its attempt, and goes on with the trace of whoever sent it', async () => {
    const { url, calls } = await serve(accept);
    const turn = await aTurn(url);
    const traceparent = '00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01';
    await runInContext({ request_id: 'job', traceparent }, () => push(turn));
    const { request, raw, body } = calls[0]!;
    const { headers } = request;
    const id = `${turn.turn_id}.${body.epoch}`;
    expect(headers).toMatchObject({ 'idempotency-key': id, 'webhook-id': id, traceparent });
    const jwk = await app.get(SigningKeys).jwk();
    const [scheme, signature] = (headers['webhook-signature'] as string).split(',');
    expect(scheme).toBe('v1a');
    const signed = Buffer.concat([Buffer.from(`${id}.${headers['webhook-timestamp'] as string}.`), raw]);
    const key = createPublicKey({ key: jwk as unknown as JsonWebKey, format: 'jwk' });
    expect(verify(null, signed, key, Buffer.from(signature!, 'base64'))).toBe(true);
    expect(verify(null, createHash('sha256').update(signed).digest(), key, Buffer.from(signature!, 'base64'))).toBe(
      false,
    );
  });

  it('does not keep the connection: the service goes on after it', async () => {
    let closed: Promise<unknown> | undefined;
    const { url } = await serve((_request, response) => {
      closed = once(response, 'close');
      response.write('{"type":"accepted"}\n');
    });
    const turn = await aTurn(url);
    expect(await push(turn)).toBe('accepted');
    await closed;
    expect(await state(turn)).toMatchObject({ status: 'running' });
  });

  describe('is not_started when the service', () => {
    const answer =
      (text: string, status = 200): RequestListener =>
      (_request, response) =>
        void response.writeHead(status).end(text);

    it.each<[string, RequestListener, string]>([
      ['answers nothing (an empty stream)', answer(''), 'ended its answer without a frame'],
      ['answers an error frame', answer('{"type":"error","code":"busy","message":"Later."}\n'), 'busy: Later.'],
      ['answers a frame that is malformed', answer('{"type":\n'), 'no JSON object'],
      ['answers another frame first', answer('{"kind":"result","ok":false}\n{"type":"accepted"}\n'), 'of type none'],
      ['accepts another turn', answer(`{"type":"accepted","turn_id":"${randomUUID()}"}\n`), 'another turn'],
      ['answers 500', answer('{"type":"accepted"}\n', 500), 'answered 500'],
      ['answers 404', answer('', 404), 'answered 404'],
      [
        'answers a redirect, which is not followed',
        (_request, response) => void response.writeHead(307, { location: '/elsewhere' }).end(),
        'answered 307; redirects are not followed',
      ],
      ['breaks off', (request) => void request.socket.destroy(), 'broke off (ECONNRESET)'],
      [
        'breaks off within a frame',
        (_request, response) => void response.write('{"type":"acc', () => response.destroy()),
        'broke off (ECONNRESET)',
      ],
    ])('%s (J5)', async (_, listener, reason) => {
      const { url, calls } = await serve(listener);
      await expectNotStarted(await aTurn(url), app, reason);
      expect(calls).toHaveLength(1);
    });

    it.each<[string, RequestListener]>([
      ['never answers (a hang)', hang],
      ['begins a frame and never ends it', (_request, response) => void response.write('{"type":')],
      ['sends empty lines and nothing else', (_request, response) => void response.write('\n\n')],
    ])('%s (J5)', async (_, listener) => {
      const { url } = await serve(listener);
      await expectNotStarted(await aTurn(url), hasty, 'did not accept the turn within 0.2 s');
    });

    it('is not there: the connection is refused (J5)', async () => {
      const nobody = 'http://127.0.0.1:1/';
      await expectNotStarted(await aTurn(nobody), app, 'could not be reached, or broke off (ECONNREFUSED)');
    });

    it('speaks no TLS where it should (J5)', async () => {
      const { url, calls } = await serve(accept);
      await expectNotStarted(await aTurn(url.replace('http:', 'https:')), app, 'could not be reached');
      expect(calls).toEqual([]);
    });

    it('speaks no HTTP (J5)', async () => {
      const url = await listen(createTcpServer((socket) => socket.end('what?\n')));
      await expectNotStarted(await aTurn(url), app, 'could not be reached, or broke off');
    });

    it('may not be called any more', async () => {
      const { url, calls } = await serve(accept);
      const turn = await aTurn(url);
      await app
        .get(UnitOfWork)
        .query(`UPDATE session_turns SET push_url = 'http://169.254.169.254/' WHERE turn_id = $1`, [turn.turn_id]);
      await expectNotStarted(turn, app, 'was not called: its URL must not lead to a link-local address');
      expect(calls).toEqual([]);
    });

    /** The turn failed and says why, nothing is left behind, and whoever took it all the same can write nothing. */
    async function expectNotStarted(turn: Turn, within: TestingModule, reason: string) {
      expect(await push(turn, within)).toBe('not_started');
      const error = { code: 'not_started', message: expect.stringContaining(reason) as string };
      expect(await state(turn)).toMatchObject({ status: 'failed', error });
      expect((await events(turn)).at(-1)).toMatchObject({
        type: 'turn.failed',
        turn_id: turn.turn_id,
        data: { error },
      });
      expect(await delivery(turn)).toMatchObject({ status: 'failed', error, dispatched_at: null });
      const starting = (await events(turn)).find(({ type }) => type === 'turn.starting')!;
      const { epoch } = starting.data as { epoch: number };
      expect(await beat(turn, epoch)).toMatchObject([{ is_current: false }]);
      await expect(complete(turn, epoch)).rejects.toMatchObject({ code: 'stale_epoch' });
    }
  });

  it('leaves its session free when it was not started (J3)', async () => {
    const { url } = await serve((_request, response) => void response.writeHead(503).end());
    const turn = await aTurn(url);
    await push(turn);
    const next = await send(turn.session_id, `port-${new URL(url).port}`);
    expect(next.turn_id).not.toBe(turn.turn_id);
    expect(await app.get(SessionStreamsReader).fetchTurn(turn.project_id, next.turn_id!)).toMatchObject({
      status: 'queued',
    });
  });

  it('is started once, however often its job comes, and never again once it is over (J1, J2)', async () => {
    const { url, calls } = await serve(accept);
    const turn = await aTurn(url);
    const outcomes = await Promise.all([push(turn), push(turn), push(turn, other), push(turn, other)]);
    expect(outcomes.sort()).toEqual(['accepted', 'passed', 'passed', 'passed']);
    expect(await push(turn)).toBe('passed');
    await complete(turn, calls[0]!.body.epoch);
    expect(await push(turn)).toBe('passed');

    const refused = await serve((_request, response) => void response.writeHead(500).end());
    const failed = await aTurn(refused.url);
    expect(await push(failed)).toBe('not_started');
    expect(await push(failed)).toBe('passed');
    expect([calls.length, refused.calls.length]).toEqual([1, 1]);
  });

  it('marks its job as done with the claim: both happen or neither', async () => {
    const { url, calls } = await serve(accept);
    const turn = await aTurn(url);
    await expect(
      app.get(StartPushTurnFlow).run(turn, () => Promise.reject(new Error('the worker died'))),
    ).rejects.toThrow('the worker died');
    expect(await state(turn)).toMatchObject({ status: 'queued', attempt: 0 });
    expect(await push(turn)).toBe('accepted');
    expect(calls).toHaveLength(1);
  });

  it('is tried again under a new epoch when the worker dies between claim and acceptance', async () => {
    const { url, calls } = await serve(accept);
    const turn = await aTurn(url);
    // All that is left of a worker that was killed.
    const unitOfWork = app.get(UnitOfWork);
    const lost = (await unitOfWork.run((tx) => app.get(TurnClaimsService).claimForPush(tx, turn)))!;
    await unitOfWork.query(`UPDATE session_streams SET lease_until = now() - interval '1 s' WHERE session_id = $1`, [
      turn.session_id,
    ]);
    await unitOfWork.run((tx) => app.get(TurnTakeoverService).takeOverdue(tx, turn));
    expect(await state(turn)).toMatchObject({ status: 'queued' });
    expect(await jobs(turn, 'start-push-turn')).toHaveLength(2);

    expect(await push(turn)).toBe('accepted');
    const { request, body } = calls[0]!;
    expect(body).toMatchObject({ turn_id: turn.turn_id, attempt: 2 });
    expect(body.epoch).toBeGreaterThan(lost.epoch);
    expect(request.headers['idempotency-key']).toBe(`${turn.turn_id}.${body.epoch}`);
    expect(await types(turn)).toContain('turn.attempt_lost');
    await expect(complete(turn, lost.epoch)).rejects.toMatchObject({ code: 'stale_epoch' });
    await complete(turn, body.epoch);
    expect(await delivery(turn)).toMatchObject({ status: 'completed' });
  });

  it('is lost when its service is, and says so', async () => {
    const { url } = await serve(accept);
    const turn = await aTurn(url);
    await push(turn);
    const unitOfWork = app.get(UnitOfWork);
    await unitOfWork.query(`UPDATE session_turns SET max_attempts = 1 WHERE turn_id = $1`, [turn.turn_id]);
    await unitOfWork.query(`UPDATE session_streams SET lease_until = now() - interval '1 s' WHERE session_id = $1`, [
      turn.session_id,
    ]);
    const taken = await unitOfWork.run((tx) => app.get(TurnTakeoverService).takeOverdue(tx, turn));
    expect(taken!.end).toMatchObject({
      status: 'lost',
      error: { code: 'owner_lost', message: expect.stringMatching(/^The service that hosted this turn /) as string },
    });
  });

  it('runs on when its service said so by a beat, though its frame got lost', async () => {
    const beaten = new Promise<Turn>((settle) => {
      void (async () => {
        const { url, calls } = await serve((_request, response) => {
          void beat(turn, calls[0]!.body.epoch).then(() => response.end());
        });
        const turn = await aTurn(url);
        expect(await push(turn)).toBe('accepted');
        settle(turn);
      })();
    });
    expect(await state(await beaten)).toMatchObject({ status: 'running' });
  });

  it.each([
    ['cancelled', {}],
    ['superseded', { prompt: 'instead', force: true, detached: true }],
  ])('ends %s, with no error, when it was asked to before its service answered', async (status, command) => {
    const { url } = await serve((_request, response) => {
      const asked = { session_id: turn.session_id, ...command };
      void app
        .get(InvokeSessionFlow)
        .run(principal, asked, undefined)
        .then(() => response.end());
    });
    const turn = await aTurn(url);
    expect(await push(turn)).toBe('not_started');
    expect(await state(turn)).toMatchObject({ status, stop_reason: status, error: null });
    expect(await delivery(turn)).toMatchObject({ status, error: null });
  });

  describe('is answered to a detached invoke as', () => {
    const answerTo = (turn: Turn, within: Partial<SessionStreamInvoke>) => {
      const invoked = { mode: 'send' as const, turn_id: turn.turn_id, watcher_id: null };
      const asked = { session_id: turn.session_id, prompt: 'hello', detached: true, ...within };
      return app.get(AwaitStartFlow).run(turn, invoked, asked, new AbortController().signal);
    };

    it('queued while its service has not accepted it, and running once it has (J5)', async () => {
      let answer = (): unknown => undefined;
      const { url, calls } = await serve((_request, response) => {
        answer = () => response.end('{"type":"accepted"}\n');
      });
      const turn = await aTurn(url);
      const pushed = push(turn);
      await eventually(() => expect(calls).toHaveLength(1));
      expect(await state(turn)).toMatchObject({ status: 'starting' });
      expect(await answerTo(turn, { start_within_ms: 50 })).toMatchObject({ status: 'queued' });
      const waiting = answerTo(turn, { start_within_ms: 30_000 });
      answer();
      expect(await pushed).toBe('accepted');
      expect(await waiting).toMatchObject({ status: 'running' });
    });

    it('not_started when it was to be withdrawn and its service hangs: an acceptance that comes late is refused (J5)', async () => {
      let answer = (): unknown => undefined;
      const { url, calls } = await serve((_request, response) => {
        answer = () => response.end('{"type":"accepted"}\n');
      });
      const turn = await aTurn(url);
      const pushed = push(turn);
      await eventually(() => expect(calls).toHaveLength(1));
      await expect(answerTo(turn, { start_within_ms: 50, if_not_started: 'withdraw' })).rejects.toMatchObject({
        code: 'not_started',
        message: expect.stringContaining('its service did not accept it in time.') as string,
      });
      answer();
      expect(await pushed).toBe('passed');
      expect(await state(turn)).toMatchObject({ status: 'cancelled', stop_reason: 'not_started' });
      const { epoch } = calls[0]!.body;
      expect(await beat(turn, epoch)).toMatchObject([{ is_current: false }]);
      await expect(complete(turn, epoch)).rejects.toMatchObject({ code: 'stale_epoch' });
      await expect(answerTo(turn, {})).rejects.toMatchObject({ code: 'not_started' });
    });

    it('not_started when its service refused it, in sentences', async () => {
      const { url } = await serve((_request, response) => {
        response.end('{"type":"error","code":"busy","message":"Later."}\n');
      });
      const turn = await aTurn(url);
      await push(turn);
      await expect(answerTo(turn, {})).rejects.toMatchObject({
        message: expect.stringMatching(
          /The service of this agent refused the turn: busy: Later\. Send it again under/,
        ) as string,
      });
    });

    it('how it ended when it had been accepted once: it did run', async () => {
      const { url, calls } = await serve((request, response) => {
        if (calls.length === 1) accept(request, response);
        else response.writeHead(503).end();
      });
      const turn = await aTurn(url);
      expect(await push(turn)).toBe('accepted');
      const unitOfWork = app.get(UnitOfWork);
      await unitOfWork.query(`UPDATE session_streams SET lease_until = now() - interval '1 s' WHERE session_id = $1`, [
        turn.session_id,
      ]);
      await unitOfWork.run((tx) => app.get(TurnTakeoverService).takeOverdue(tx, turn));
      expect(await push(turn)).toBe('not_started');
      expect(await answerTo(turn, {})).toMatchObject({ status: 'failed' });
    });
  });

  it('is not called when it ended before a worker came', async () => {
    const { url, calls } = await serve(accept);
    const turn = await aTurn(url);
    await app.get(InvokeSessionFlow).run(principal, { session_id: turn.session_id }, undefined);
    expect(await push(turn)).toBe('passed');
    expect(calls).toEqual([]);
  });

  it('waits while many calls of its project hang, but not behind those of others, and follows by itself (J4)', async () => {
    const { url: stuck, calls: stuckCalls } = await serve((request, response) => {
      if (stuckCalls.length > 64) accept(request, response);
    });
    const [hanging, fine] = [await aProject(), await serve(accept)];
    const turns = await Promise.all(Array.from({ length: 64 }, () => aTurn(stuck, hanging)));
    const calls = turns.map((turn) => push(turn));
    await eventually(() => expect(stuckCalls).toHaveLength(64), { timeout: 20_000 });

    const late = await aTurn(stuck, hanging);
    let finished = false;
    expect(await app.get(StartPushTurnFlow).run(late, async () => (finished = true))).toBe('busy');
    expect(finished).toBe(false);
    expect(await state(late)).toMatchObject({ status: 'queued' });
    expect(await push(await aTurn(fine.url))).toBe('accepted');

    for (const { request } of stuckCalls) request.socket.destroy();
    expect(new Set(await Promise.all(calls))).toEqual(new Set(['not_started']));
    expect(await state(late)).toMatchObject({ status: 'running' });
    expect(stuckCalls).toHaveLength(65);
  });

  describe('whose session is deleted', () => {
    const remove = ({ session_id }: Turn, within = other) => within.get(DeleteSessionFlow).run(principal, session_id);
    const isGone = (turn: Turn) => expect(state(turn)).rejects.toMatchObject({ code: 'turn_not_found' });

    it('before it is called is never called', async () => {
      const { url, calls } = await serve(accept);
      const turn = await aTurn(url);
      await remove(turn);
      expect(await push(turn)).toBe('passed');
      expect(calls).toEqual([]);
      await isGone(turn);
    });

    it.each([
      ['accepts', accept],
      ['refuses', (_, response) => void response.writeHead(503).end()],
    ] as [string, RequestListener][])('while it is called brings nothing back when it %s then', async (_, answer) => {
      const { url } = await serve((request, response) => void remove(turn).then(() => answer(request, response)));
      const turn = await aTurn(url);
      expect(await push(turn)).toBe('passed');
      await isGone(turn);
      const next = await send(turn.session_id, `port-${new URL(url).port}`);
      await other.get(UnitOfWork).run(async (tx) => {
        const rows = await tx.query(`SELECT turn_id FROM session_turns WHERE project_id = $1 AND session_id = $2`, [
          turn.project_id,
          turn.session_id,
        ]);
        expect(rows).toEqual([{ turn_id: next.turn_id }]);
      });
    });
  });
});
