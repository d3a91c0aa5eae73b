import { randomUUID } from 'node:crypto';
import { Test, type TestingModule } from '@nestjs/testing';
import { seedAgents } from '@holdfast/agents';
import { DEFAULT_DURABLE_STREAMS_CONFIG, LogReader, pageBytes, type LogKey } from '@holdfast/durable-streams';
import { ApiKeys, AuthModule, PERMISSIONS, type KeyPrincipal } from '@holdfast/platform-auth';
import { PostgresModule, UnitOfWork, type TurnFence } from '@holdfast/platform-postgres';
import { QueueModule } from '@holdfast/platform-queue';
import { SignalsModule } from '@holdfast/platform-signals';
import { TelemetryModule } from '@holdfast/platform-telemetry';
import { SessionInteractionsService } from '@holdfast/sessions-interactions';
import {
  controlLogPath,
  DEFAULT_STREAMS_CONFIG,
  sessionLogPath,
  SessionStreamsReader,
  TurnBeatsService,
  TurnClaimsService,
  type RunnerReplica,
  type SessionEvent,
  type SessionStreamInvoke,
  type StreamsConfig,
} from '@holdfast/sessions-streams';
import { testPostgres } from '@holdfast/testing';
import {
  ClaimTurnsFlow,
  CompleteTurnFlow,
  InvokeSessionFlow,
  KillSessionFlow,
  persistence,
  SessionInboxFlow,
  SessionsModule,
} from '../src/index.js';
import { NoBlobs } from './no-blobs.js';

export const unlimited = new AbortController().signal;

/** A turn that a runner owns, as its runner names it. */
export type OwnedTurn = TurnFence;

/** One process with all domains, without HTTP in front, on a database of its own or on that of another process. */
export async function startFlows(config: Partial<StreamsConfig> = {}, shared?: { url: string }) {
  const database = shared ?? (await testPostgres(persistence));
  const app: TestingModule = await Test.createTestingModule({
    imports: [
      TelemetryModule.forRoot({ app: 'test', logLevel: 'silent', pretty: false }),
      PostgresModule.forRoot({ url: database.url, poolSize: 5, applicationName: 'test' }, persistence),
      SignalsModule.forRoot({ postgresUrl: database.url }),
      QueueModule.forRoot({ postgresUrl: database.url, queues: [] }),
      AuthModule.forRoot(),
      NoBlobs,
      SessionsModule.forRoot({ ...DEFAULT_STREAMS_CONFIG, ...config }, DEFAULT_DURABLE_STREAMS_CONFIG),
    ],
  }).compile();
  await app.init();

  return {
    app,
    url: database.url,
    sql: <Row>(text: string, values: unknown[] = []) => app.get(UnitOfWork).query<Row>(text, values),
    newProject: () => newProject(app),
    async stop(): Promise<void> {
      await app.close();
      if (!shared) await (database as Awaited<ReturnType<typeof testPostgres>>).drop();
    },
  };
}

export type Flows = Awaited<ReturnType<typeof startFlows>>;

/** A project with somebody who may do everything in it, and a runner. */
async function newProject(app: TestingModule) {
  const principal = await app.get(UnitOfWork).run(async (tx): Promise<KeyPrincipal> => {
    const keys = app.get(ApiKeys);
    const project_id = await keys.createProject(tx, { name: 'test' });
    await seedAgents(tx, project_id);
    const permissions = [...PERMISSIONS];
    const { id } = await keys.createKey(tx, { project_id, name: 'user', kind: 'user', permissions });
    return { project_id, key_id: id, kind: 'user', permissions };
  });
  const { project_id } = principal;
  const runner: RunnerReplica = { project_id, replica_id: randomUUID(), key_id: randomUUID() };
  await app.get(TurnClaimsService).register(runner, { pools: ['default'], labels: [], capacity: 1000 });
  const reader = app.get(SessionStreamsReader);

  const messages = async <Message>(log: LogKey): Promise<Message[]> => {
    const head = await app.get(LogReader).head(log);
    const read: Message[] = [];
    while (read.length < head.tail) {
      const page = await app.get(LogReader).page(head, read.length);
      read.push(...(JSON.parse(`[${pageBytes(page).toString()}]`) as Message[]));
    }
    return read;
  };
  const invoke = (command: SessionStreamInvoke, key?: string, by: KeyPrincipal = principal) =>
    app.get(InvokeSessionFlow).run(by, command, key);
  const complete = (turn: OwnedTurn, status: 'completed' | 'failed' | 'cancelled' = 'completed') =>
    app.get(CompleteTurnFlow).run(project_id, { ...turn, status });
  const events = (session_id: string) => messages<SessionEvent>({ project_id, path: sessionLogPath(session_id) });

  return {
    project_id,
    principal,
    runner,
    invoke,
    complete,
    events,

    /** Another key of the project, made from `key`. */
    newKey: (key: { permissions?: KeyPrincipal['permissions'] } = {}): Promise<KeyPrincipal> =>
      app.get(UnitOfWork).run(async (tx) => {
        const permissions = key.permissions ?? [...PERMISSIONS];
        const { id } = await app.get(ApiKeys).createKey(tx, { project_id, name: 'another', kind: 'user', permissions });
        return { project_id, key_id: id, kind: 'user', permissions };
      }),
    revoke: ({ key_id }: KeyPrincipal) =>
      app.get(UnitOfWork).run((tx) => app.get(ApiKeys).revokeKey(tx, project_id, key_id, null)),

    /** Sends a prompt with nobody watching; gives the turn's id. */
    async send(session_id: string, command: Partial<SessionStreamInvoke> = {}, key?: string): Promise<string> {
      return (await invoke({ session_id, prompt: 'hello', detached: true, ...command }, key)).turn_id;
    },
    cancel: (session_id: string) => invoke({ session_id }),
    kill: (session_id: string) => app.get(KillSessionFlow).run(principal, session_id),

    /** The turn of the session that is in line, as its runner owns it now; turns before it are claimed on the way. */
    async claim(session_id: string): Promise<OwnedTurn> {
      for (;;) {
        const grants = await app.get(ClaimTurnsFlow).run(runner, { capacity: 100, wait_seconds: 5 }, unlimited);
        if (grants.length === 0) throw new Error(`no turn of session "${session_id}" is in line`);
        const mine = grants.find((grant) => grant.session_id === session_id);
        if (mine) return { project_id, session_id, turn_id: mine.turn_id, epoch: mine.epoch };
      }
    },
    /** Whatever the runner gets now, without waiting. */
    async claimAll(): Promise<OwnedTurn[]> {
      const owned: OwnedTurn[] = [];
      for (;;) {
        // One claim waits for its others for a moment only, which a loaded machine may need for the first.
        const grants = await app.get(ClaimTurnsFlow).run(runner, { capacity: 100, wait_seconds: 0 }, unlimited);
        if (grants.length === 0) return owned;
        owned.push(...grants.map(({ session_id, turn_id, epoch }) => ({ project_id, session_id, turn_id, epoch })));
      }
    },
    /** Its first beat that says that the agent runs. */
    async run({ session_id, turn_id, epoch }: OwnedTurn): Promise<void> {
      await app.get(TurnBeatsService).beat(runner, [{ session_id, turn_id, epoch, status: 'running' }]);
    },
    /** A question of its agent. */
    ask: (turn: OwnedTurn) =>
      app.get(SessionInteractionsService).raise(turn, {
        token: randomUUID(),
        kind: 'user_approval',
        request: { tool_call: { title: 'x' }, options: [{ option_id: 'a', name: 'Yes', kind: 'allow_once' }] },
      }),

    turn: (turn_id: string) => reader.fetchTurn(project_id, turn_id),
    liveness: (session_id: string) => reader.fetchLiveness({ project_id, session_id }),
    stream: (session_id: string) => reader.fetchStream({ project_id, session_id }),
    /** Ids of what waits, the next one first. */
    async inbox(session_id: string): Promise<string[]> {
      return (await reader.queryInbox(project_id, { session_id, limit: 200 })).data.map(({ turn_id }) => turn_id);
    },
    reorder: (session_id: string, turn_ids: string[]) =>
      app.get(SessionInboxFlow).reorder({ project_id, session_id }, turn_ids),
    withdraw: (session_id: string, turn_id: string) =>
      app.get(SessionInboxFlow).withdraw(principal, session_id, turn_id),

    async types(session_id: string): Promise<string[]> {
      return (await events(session_id)).map(({ type }) => type);
    },
    /** Everything that the runner was ever told. */
    commands: () =>
      messages<{ type: string; turn_id: string } & Record<string, unknown>>({
        project_id,
        path: controlLogPath(runner.replica_id),
      }),
  };
}

export type Project = Awaited<ReturnType<typeof newProject>>;

/** What of many attempts went well, and the codes of what did not. */
export async function settle<T>(attempts: Promise<T>[]): Promise<{ done: T[]; codes: string[] }> {
  const settled = await Promise.allSettled(attempts);
  return {
    done: settled.flatMap((one) => (one.status === 'fulfilled' ? [one.value] : [])),
    codes: settled.flatMap((one) => (one.status === 'rejected' ? [(one.reason as { code: string }).code] : [])),
  };
}
