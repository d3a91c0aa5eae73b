import { randomUUID } from 'node:crypto';
import { readdirSync, readFileSync } from 'node:fs';
import path from 'node:path';
import { Test, type TestingModule } from '@nestjs/testing';
import { seedAgents } from '@holdfast/agents';
import { DEFAULT_DURABLE_STREAMS_CONFIG, LogReader, pageBytes } from '@holdfast/durable-streams';
import { ApiKeys, AuthModule, PERMISSIONS, type Principal } from '@holdfast/platform-auth';
import { PostgresModule, UnitOfWork } from '@holdfast/platform-postgres';
import { QueueModule } from '@holdfast/platform-queue';
import { SignalsModule } from '@holdfast/platform-signals';
import { TelemetryModule } from '@holdfast/platform-telemetry';
import { SessionInteractionsReader, SessionInteractionsService } from '@holdfast/sessions-interactions';
import {
  SessionStreamsReader,
  SessionTurnsRepository,
  SessionTurnsService,
  TurnBeatsService,
  TurnClaimsService,
  type RunnerReplica,
} from '@holdfast/sessions-streams';
import { SessionsTranscriptsReader } from '@holdfast/sessions-transcripts';
import { eventually, testPostgres, type TestPostgres } from '@holdfast/testing';
import {
  ClaimTurnsFlow,
  CompleteTurnFlow,
  CreateSessionFlow,
  InvokeSessionFlow,
  persistence,
  ProjectLaggingLogsFlow,
  SessionsModule,
  SweepOverdueTurnsFlow,
} from '../src/index.js';
import { EndTurnFlow } from '../src/flows/end-turn.flow.js';

const unlimited = new AbortController().signal;
const times = { leaseSeconds: 0.2, beatSeconds: 0.05, watchdogSeconds: 0.1, stoppingSeconds: 0.1 };

describe('what changes several domains at once', () => {
  let database: TestPostgres;
  let app: TestingModule;
  let principal: Principal;
  let runner: RunnerReplica;

  beforeAll(async () => {
    database = await testPostgres(persistence);
    app = await Test.createTestingModule({
      imports: [
        TelemetryModule.forRoot({ app: 'test', logLevel: 'silent', pretty: false }),
        PostgresModule.forRoot({ url: database.url, poolSize: 3, applicationName: 'test' }, persistence),
        SignalsModule.forRoot({ postgresUrl: database.url }),
        QueueModule.forRoot({ postgresUrl: database.url, queues: [] }),
        AuthModule.forRoot(),
        SessionsModule.forRoot(times, DEFAULT_DURABLE_STREAMS_CONFIG),
      ],
    }).compile();
    await app.init();
    const keys = app.get(ApiKeys);
    principal = await app.get(UnitOfWork).run(async (tx) => {
      const project_id = await keys.createProject(tx, { name: 'test' });
      await seedAgents(tx, project_id);
      const permissions = [...PERMISSIONS];
      const { id } = await keys.createKey(tx, { project_id, name: 'user', kind: 'user', permissions });
      return { project_id, key_id: id, kind: 'user' as const, permissions };
    });
    runner = { project_id: principal.project_id, replica_id: randomUUID(), key_id: randomUUID() };
    await app.get(TurnClaimsService).register(runner, ['default']);
  });
  afterAll(async () => {
    await app.close();
    await database.drop();
  });

  const newId = () => `s-${randomUUID()}`;
  const send = (session_id: string, key?: string, agent?: { name: string }) =>
    app.get(InvokeSessionFlow).run(principal, { session_id, prompt: 'hello', agent }, key);
  const claim = async (session_id: string) => {
    const grants = await app.get(ClaimTurnsFlow).run(runner, { capacity: 100, wait_seconds: 5 }, unlimited);
    const grant = grants.find((candidate) => candidate.session_id === session_id)!;
    return {
      ...grant,
      fence: { project_id: principal.project_id, session_id, turn_id: grant.turn_id, epoch: grant.epoch },
    };
  };
  const run = ({ session_id, turn_id, epoch }: { session_id: string; turn_id: string; epoch: number }) =>
    app.get(TurnBeatsService).beat(runner, [{ session_id, turn_id, epoch, status: 'running' }]);
  const ask = (fence: { project_id: string; session_id: string; turn_id: string; epoch: number }) =>
    app.get(SessionInteractionsService).raise(fence, {
      token: randomUUID(),
      kind: 'user_approval',
      request: { tool_call: { title: 'x' }, options: [{ option_id: 'a', name: 'Yes', kind: 'allow_once' }] },
    });
  const types = async (session_id: string) => {
    const reader = app.get(LogReader);
    const head = await reader.head({ project_id: principal.project_id, path: `sessions/${session_id}/events` });
    const page = await reader.page(head, 0);
    return (JSON.parse(`[${pageBytes(page).toString()}]`) as { type: string }[]).map(({ type }) => type);
  };
  const rows = (table: string) =>
    app
      .get(UnitOfWork)
      .queryOne<{ n: number }>(`SELECT count(*)::int AS n FROM ${table} WHERE project_id = $1`, [principal.project_id])
      .then((row) => row!.n);

  it('a session is made in every domain or in none, once however often it is asked for', async () => {
    const session = { project_id: principal.project_id, session_id: newId() };
    const answers = await Promise.all(
      Array.from({ length: 8 }, () => app.get(CreateSessionFlow).run(session, {}, principal.key_id)),
    );
    expect(answers.filter(({ created }) => created)).toHaveLength(1);
    expect(await types(session.session_id)).toEqual(['session.created']);
  });

  it('a prompt that is refused leaves no session behind', async () => {
    const session_id = newId();
    await expect(send(session_id, undefined, { name: 'nobody' })).rejects.toMatchObject({ code: 'agent_not_found' });
    await expect(
      app.get(SessionStreamsReader).fetchStream({ project_id: principal.project_id, session_id }),
    ).rejects.toMatchObject({ code: 'session_not_found' });
  });

  it('prompts by the dozen need no more connections than there are', async () => {
    const answers = await Promise.all(Array.from({ length: 40 }, () => send(newId())));
    expect(answers.map(({ status }) => status)).toEqual(Array(40).fill('queued'));
  });

  it('a principal that may not run sessions starts no turn, whichever way it came', async () => {
    const viewer: Principal = { ...principal, permissions: ['VIEW_SESSIONS'] };
    await expect(
      app.get(InvokeSessionFlow).run(viewer, { session_id: newId(), prompt: 'hi' }, undefined),
    ).rejects.toMatchObject({ code: 'permission_denied' });
  });

  it('a retried invoke starts one turn and is answered alike', async () => {
    const session_id = newId();
    const key = randomUUID();
    const answers = await Promise.all(Array.from({ length: 6 }, () => send(session_id, key)));
    expect(new Set(answers.map(({ turn_id }) => turn_id)).size).toBe(1);
    expect(await types(session_id)).toEqual(['session.created', 'turn.queued']);
  });

  it('a new session runs the scripted agent; later turns run what the last one ran', async () => {
    const session_id = newId();
    await send(session_id, undefined, { name: 'codex' });
    const grant = await claim(session_id);
    expect(grant).toMatchObject({
      harness: 'codex',
      agent: { name: 'codex', revision: 1 },
      log_path: `/v1/stream/sessions/${session_id}/events`,
    });
    await app.get(CompleteTurnFlow).run(principal.project_id, { ...grant, status: 'completed' });
    await send(session_id);
    expect((await claim(session_id)).harness).toBe('codex');

    const other = newId();
    await send(other);
    expect((await claim(other)).harness).toBe('scripted');
  });

  it('ending a turn closes its open questions first, and leaves a job for its transcript', async () => {
    const session_id = newId();
    await send(session_id);
    const grant = await claim(session_id);
    await run(grant);
    const question = await ask(grant.fence);
    const before = await rows('outbox');
    await app
      .get(CompleteTurnFlow)
      .run(principal.project_id, { ...grant, status: 'completed', stop_reason: 'end_turn' });
    expect((await types(session_id)).slice(-2)).toEqual(['interaction.cancelled', 'turn.completed']);
    expect(await app.get(SessionInteractionsReader).fetch(principal.project_id, question.interaction_id)).toMatchObject(
      {
        status: 'cancelled',
      },
    );
    expect(await rows('outbox')).toBe(before + 1);
  });

  it('an answer is a command to the runner that asked, in the commit that records it', async () => {
    const session_id = newId();
    await send(session_id);
    const grant = await claim(session_id);
    await run(grant);
    const question = await ask(grant.fence);
    await app
      .get(SessionInteractionsService)
      .respond(principal.project_id, question.interaction_id, { decision: 'allow' }, principal.key_id);
    const reader = app.get(LogReader);
    const head = await reader.head({ project_id: principal.project_id, path: `runners/${runner.replica_id}/control` });
    const commands = JSON.parse(`[${pageBytes(await reader.page(head, 0)).toString()}]`) as object[];
    expect(commands.at(-1)).toMatchObject({
      type: 'answer',
      session_id,
      turn_id: grant.turn_id,
      epoch: grant.epoch,
      interaction_id: question.interaction_id,
      verdict: { decision: 'allow' },
    });
  });

  it('cancelling a turn that nobody claimed ends it at once', async () => {
    const session_id = newId();
    await send(session_id);
    const cancelled = await app.get(InvokeSessionFlow).run(principal, { session_id }, undefined);
    expect(cancelled).toMatchObject({ mode: 'cancel', status: 'cancelled' });
    await expect(app.get(InvokeSessionFlow).run(principal, { session_id }, undefined)).rejects.toMatchObject({
      code: 'no_live_turn',
    });
  });

  describe('the sweep', () => {
    const sweepUntil = async (isDone: () => Promise<boolean>) => {
      const deadline = Date.now() + 10_000;
      do await app.get(SweepOverdueTurnsFlow).run();
      while (!(await isDone()) && Date.now() < deadline);
    };
    const statusOf = async (turn_id: string) =>
      (await app.get(SessionStreamsReader).fetchTurn(principal.project_id, turn_id)).status;

    it('ends a turn whose owner is gone, and closes its questions', async () => {
      const session_id = newId();
      await send(session_id);
      const grant = await claim(session_id);
      await run(grant);
      await ask(grant.fence);
      await sweepUntil(async () => (await statusOf(grant.turn_id)) === 'lost');
      expect((await types(session_id)).slice(-3).sort()).toEqual([
        'interaction.cancelled',
        'turn.attempt_lost',
        'turn.lost',
      ]);
      await expect(ask(grant.fence)).rejects.toMatchObject({ code: 'stale_epoch' });
      await expect(
        app.get(CompleteTurnFlow).run(principal.project_id, { ...grant, status: 'completed' }),
      ).rejects.toMatchObject({ code: 'stale_epoch' });
    });

    it('ends by force a turn that does not stop in time', async () => {
      const session_id = newId();
      await send(session_id);
      const grant = await claim(session_id);
      await run(grant);
      await app.get(InvokeSessionFlow).run(principal, { session_id }, undefined);
      await sweepUntil(async () => (await statusOf(grant.turn_id)) === 'cancelled');
      expect((await types(session_id)).at(-1)).toBe('turn.cancelled');
    });

    it('goes on past a session that it cannot take', async () => {
      const broken = newId();
      await send(broken);
      await run(await claim(broken));
      await app
        .get(UnitOfWork)
        .run((tx) => tx.query(`DELETE FROM log_streams WHERE path = $1`, [`sessions/${broken}/events`]));
      const session_id = newId();
      await send(session_id);
      const grant = await claim(session_id);
      await run(grant);
      await sweepUntil(async () => (await statusOf(grant.turn_id)) === 'lost');
      expect(await statusOf(grant.turn_id)).toBe('lost');
      await app
        .get(UnitOfWork)
        .run((tx) => tx.query(`UPDATE session_streams SET lease_until = NULL WHERE session_id = $1`, [broken]));
    });

    it('takes nothing after the database did not answer for a while: no owner could beat meanwhile', async () => {
      const session_id = newId();
      await send(session_id);
      const grant = await claim(session_id);
      await run(grant);
      const slow = { ...times, leaseSeconds: 2 };
      const repository = app.get(SessionTurnsRepository);
      const untilOverdue = (overdue: string) =>
        eventually(async () =>
          expect(await repository.overdueSessions(50)).toContainEqual(expect.objectContaining({ session_id: overdue })),
        );
      const sweep = new SweepOverdueTurnsFlow(
        app.get(UnitOfWork),
        repository,
        app.get(SessionTurnsService),
        app.get(EndTurnFlow),
        slow,
      );
      const start = Date.now();
      await untilOverdue(session_id);
      const clock = jest.spyOn(Date, 'now');
      for (let second = 0; second < 4; second += 0.5) {
        clock.mockReturnValue(start + second * 1000);
        await sweep.run();
        // The first rounds only find out that the database answers.
        if (second < 2) expect(await statusOf(grant.turn_id)).toBe('running');
      }
      expect(await statusOf(grant.turn_id)).toBe('lost');

      const other = newId();
      await send(other);
      const next = await claim(other);
      await run(next);
      clock.mockRestore();
      await untilOverdue(other);
      jest.spyOn(Date, 'now').mockReturnValue(start + 60_000);
      await sweep.run();
      jest.restoreAllMocks();
      expect(await statusOf(next.turn_id)).toBe('running');
    });

    it('takes nothing before it was in contact with the database for a whole lease', async () => {
      const session_id = newId();
      await send(session_id);
      const grant = await claim(session_id);
      await app
        .get(UnitOfWork)
        .run((tx) =>
          tx.query(`UPDATE session_streams SET lease_until = now() - interval '1 hour' WHERE session_id = $1`, [
            session_id,
          ]),
        );
      const fresh = await Test.createTestingModule({
        imports: [
          TelemetryModule.forRoot({ app: 'test', logLevel: 'silent', pretty: false }),
          PostgresModule.forRoot({ url: database.url, poolSize: 2, applicationName: 'test' }, persistence),
          SignalsModule.forRoot({ postgresUrl: database.url }),
          QueueModule.forRoot({ postgresUrl: database.url, queues: [] }),
          SessionsModule.forRoot({ ...times, leaseSeconds: 3600 }, DEFAULT_DURABLE_STREAMS_CONFIG),
        ],
      }).compile();
      await fresh.get(SweepOverdueTurnsFlow).run();
      await fresh.get(SweepOverdueTurnsFlow).run();
      expect(await statusOf(grant.turn_id)).toBe('starting');
      await fresh.close();
    });
  });

  it('a log that nobody hinted at is projected all the same', async () => {
    const session_id = newId();
    await send(session_id);
    await app.get(ProjectLaggingLogsFlow).run(unlimited);
    const page = await app.get(SessionsTranscriptsReader).query(principal.project_id, { session_id, limit: 50 });
    expect(page.projected_offset).toBe(page.tail_offset);
    expect(page.data.map(({ type }) => type)).toEqual(['user_message']);
  });

  it('there is one way to start a turn: nothing but prepare-invoke.ts does', () => {
    const sources = (folder: string): string[] =>
      readdirSync(folder, { withFileTypes: true }).flatMap((entry) => {
        const file = path.join(folder, entry.name);
        if (entry.isDirectory()) return entry.name === 'node_modules' || entry.name === 'dist' ? [] : sources(file);
        return /(?<!\.spec)\.ts$/.test(entry.name) ? [file] : [];
      });
    const root = path.resolve(__dirname, '../../..');
    const server = ['apps/api', 'apps/workers', 'libs'].flatMap((folder) => sources(path.join(root, folder)));
    const starters = server
      .filter((file) => !file.includes(`${path.sep}test${path.sep}`))
      .filter((file) => /\.(turns|service)\.start\(|insertTurn\(/.test(readFileSync(file, 'utf8')))
      .map((file) => path.basename(file));
    expect(starters.sort()).toEqual(['prepare-invoke.ts', 'session-turns.repository.ts', 'session-turns.service.ts']);
  });
});
