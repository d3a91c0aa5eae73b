import { randomUUID } from 'node:crypto';
import { Module, type DynamicModule } from '@nestjs/common';
import { NestFactory } from '@nestjs/core';
import {
  DEFAULT_DURABLE_STREAMS_CONFIG,
  DurableStreamsModule,
  durableStreamsPersistence,
  LogReader,
  pageBytes,
  type LogKey,
} from '@holdfast/durable-streams';
import {
  createDataSource,
  Outbox,
  OutboxBell,
  platformPersistence,
  SessionFences,
  UnitOfWork,
  type SessionKey,
  type Transaction,
} from '@holdfast/platform-postgres';
import { Jobs } from '@holdfast/platform-queue';
import { PostgresSignals, Signals } from '@holdfast/platform-signals';
import { testPostgres } from '@holdfast/testing';
import type { RunnerOffer, RunnerReplica } from '../src/control/runner-replicas.repository.js';
import {
  DEFAULT_STREAMS_CONFIG,
  SavedConversations,
  SessionLogService,
  sessionLogKey,
  SessionsStreamsModule,
  sessionsStreamsPersistence,
  SessionTurnsRepository,
  SessionTurnsService,
  TurnBeatsService,
  TurnClaimsService,
  TurnHandOverService,
  TurnLeasesRepository,
  TurnMilestones,
  TurnTakeoverService,
  controlLogPath,
  type SavedConversation,
  type SessionEvent,
  type TurnStart,
} from '../src/index.js';
import { SessionStreamsRepository } from '../src/control/session-streams.repository.js';
import { encodeMessage } from '../src/log/session-event.js';

const persistence = [platformPersistence, durableStreamsPersistence, sessionsStreamsPersistence];

class NoMilestones extends TurnMilestones {
  async reached(): Promise<void> {}
}

/** What is saved of sessions, as a test says. */
export const savedConversations = new Map<string, SavedConversation>();

class SetConversations extends SavedConversations {
  async newest(_: Transaction, { session_id }: SessionKey): Promise<SavedConversation | null> {
    return savedConversations.get(session_id) ?? null;
  }
}

@Module({})
class Process {
  static with(unitOfWork: UnitOfWork, signals: Signals): DynamicModule {
    const providers = [
      { provide: UnitOfWork, useValue: unitOfWork },
      { provide: Signals, useValue: signals },
      { provide: OutboxBell, useValue: { ring: () => undefined } },
      Outbox,
      Jobs,
      SessionFences,
    ];
    return {
      module: Process,
      global: true,
      imports: [
        DurableStreamsModule.forRoot(DEFAULT_DURABLE_STREAMS_CONFIG),
        SessionsStreamsModule.forRoot(DEFAULT_STREAMS_CONFIG, {
          turnMilestones: NoMilestones,
          savedConversations: SetConversations,
        }),
      ],
      providers,
      exports: providers.map((provider) => ('provide' in provider ? provider.provide : provider)),
    };
  }
}

/** The domain as one process has it, on a database of its own or on one that another process has too. */
export async function startStreams(shared?: { url: string }) {
  const database = shared ?? (await testPostgres(persistence));
  const config = { url: database.url, poolSize: 5, applicationName: 'test' };
  const dataSource = await createDataSource(config, persistence).initialize();
  const signals = await PostgresSignals.connect(database.url);
  const unitOfWork = new UnitOfWork(dataSource);
  const app = await NestFactory.createApplicationContext(Process.with(unitOfWork, signals), { logger: ['error'] });
  const fences = app.get(SessionFences);
  const log = app.get(SessionLogService);
  const reader = app.get(LogReader);
  const turns = app.get(SessionTurnsService);
  const claims = app.get(TurnClaimsService);

  const makeSession = (session: SessionKey): Promise<void> =>
    unitOfWork.run(async (tx) => {
      await fences.ensure(tx, session);
      await turns.openStream(tx, session, 1, null);
    });
  const openSession = async (project_id: string = randomUUID()): Promise<SessionKey> => {
    const session = { project_id, session_id: `s-${randomUUID()}` };
    await makeSession(session);
    return session;
  };

  const messages = async <Message>(log: LogKey): Promise<Message[]> => {
    const head = await reader.head(log);
    const read: Message[] = [];
    while (read.length < head.tail) {
      const page = await reader.page(head, read.length);
      read.push(...(JSON.parse(`[${pageBytes(page).toString()}]`) as Message[]));
    }
    return read;
  };

  return {
    url: database.url,
    unitOfWork,
    fences,
    log,
    reader,
    repository: app.get(SessionTurnsRepository),
    turns,
    claims,
    beats: app.get(TurnBeatsService),
    leases: app.get(TurnLeasesRepository),
    takeover: app.get(TurnTakeoverService),
    handOver: app.get(TurnHandOverService),
    streams: app.get(SessionStreamsRepository),
    makeSession,
    openSession,

    /** A session whose log the epoch may append to. */
    async openForEpoch(epoch: number): Promise<SessionKey> {
      const session = await openSession();
      await unitOfWork.run(async (tx) =>
        log.appendWithin(tx, session, fact('turn.starting'), { writer: { epoch, turn_id: TURN } }),
      );
      return session;
    },

    /** Puts a turn in line in a session. */
    startTurn(
      session: SessionKey,
      prompt = 'hello',
      agent_name = 'scripted',
      target: Partial<TurnTarget> & { harness?: string; fresh_start?: boolean } = {},
    ) {
      return unitOfWork.run(async (tx) => {
        await fences.lock(tx, session);
        return turns.start(tx, {
          ...session,
          prompt,
          pool: 'default',
          labels: [],
          push_url: null,
          max_attempts: 3,
          harness: 'scripted',
          fresh_start: false,
          ...target,
          agent_name,
          agent_revision: 1,
          drive: 'acp',
          approvals: 'ask',
          detached: true,
          created_by_id: randomUUID(),
        });
      });
    },

    /** A registered replica of the project. */
    async registerReplica(project_id: string, offer: Partial<RunnerOffer> = {}): Promise<RunnerReplica> {
      const runner = { project_id, replica_id: randomUUID(), key_id: randomUUID() };
      await claims.register(runner, { pools: ['default'], labels: [], capacity: 100, ...offer });
      return runner;
    },

    /** Everything that a replica was ever told. */
    commands: ({ project_id, replica_id }: RunnerReplica) =>
      messages<RunnerCommand>({ project_id, path: controlLogPath(replica_id) }),

    /** Everything in a session's log. */
    events: (session: SessionKey) => messages<SessionEvent>(sessionLogKey(session)),

    async stop(): Promise<void> {
      await app.close();
      await signals.onApplicationShutdown();
      await dataSource.destroy();
      if (!shared && 'drop' in database) await (database as { drop(): Promise<void> }).drop();
    },
  };
}

/** Who may run a turn, and how often. */
type TurnTarget = Pick<TurnStart, 'pool' | 'labels' | 'push_url' | 'max_attempts'>;

/** A message of a replica's control log. */
type RunnerCommand = { command_id: string; type: string; session_id: string; turn_id: string; epoch: number };

export type Streams = Awaited<ReturnType<typeof startStreams>>;

/** An event as the server makes it. */
export const fact = (type: string, data: object = {}) => ({ type, turn_id: null, data });

/** The turn that `openForEpoch` opens a log for. */
export const TURN = '0190b0e0-0000-7000-8000-000000000000';

/** An append as a runner sends it, of one event for each of `data`. */
export const events = (...data: object[]) => ({
  turn_id: TURN,
  messages: data.map((one) =>
    encodeMessage({ type: 'agent.update', at: '2026-01-01T00:00:00.000Z', turn_id: TURN, data: one }),
  ),
});
