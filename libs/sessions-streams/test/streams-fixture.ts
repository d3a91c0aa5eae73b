import { randomUUID } from 'node:crypto';
import { Module, type DynamicModule } from '@nestjs/common';
import { NestFactory } from '@nestjs/core';
import {
  DEFAULT_DURABLE_STREAMS_CONFIG,
  DurableStreamsModule,
  durableStreamsPersistence,
  LogReader,
  pageBytes,
} from '@holdfast/durable-streams';
import {
  createDataSource,
  platformPersistence,
  SessionFences,
  UnitOfWork,
  type SessionKey,
} from '@holdfast/platform-postgres';
import { PostgresSignals, Signals } from '@holdfast/platform-signals';
import { testPostgres } from '@holdfast/testing';
import type { RunnerReplica } from '../src/control/runner-replicas.repository.js';
import {
  DEFAULT_STREAMS_CONFIG,
  SessionLogService,
  sessionLogKey,
  SessionsStreamsModule,
  sessionsStreamsPersistence,
  SessionTurnsRepository,
  SessionTurnsService,
  TurnBeatsService,
  TurnClaimsService,
  type SessionEvent,
} from '../src/index.js';
import { encodeMessage } from '../src/log/session-event.js';

const persistence = [platformPersistence, durableStreamsPersistence, sessionsStreamsPersistence];

@Module({})
class Process {
  static with(unitOfWork: UnitOfWork, signals: Signals): DynamicModule {
    const providers = [
      { provide: UnitOfWork, useValue: unitOfWork },
      { provide: Signals, useValue: signals },
      SessionFences,
    ];
    return {
      module: Process,
      global: true,
      imports: [
        DurableStreamsModule.forRoot(DEFAULT_DURABLE_STREAMS_CONFIG),
        SessionsStreamsModule.forRoot(DEFAULT_STREAMS_CONFIG),
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

  const openSession = async (): Promise<SessionKey> => {
    const session = { project_id: randomUUID(), session_id: `s-${randomUUID()}` };
    await unitOfWork.run(async (tx) => {
      await fences.ensure(tx, session);
      await turns.openStream(tx, session, 1, null);
    });
    return session;
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
    startTurn(session: SessionKey, prompt = 'hello', agent_name = 'scripted') {
      return unitOfWork.run(async (tx) => {
        await fences.lock(tx, session);
        return turns.start(tx, {
          ...session,
          prompt,
          pool: 'default',
          agent_name,
          agent_revision: 1,
          harness: 'scripted',
          created_by_id: randomUUID(),
        });
      });
    },

    /** A registered replica of the project. */
    async registerReplica(project_id: string): Promise<RunnerReplica> {
      const runner = { project_id, replica_id: randomUUID(), key_id: randomUUID() };
      await claims.register(runner, ['default']);
      return runner;
    },

    /** Everything in a session's log. */
    async events(session: SessionKey): Promise<SessionEvent[]> {
      const head = await reader.head(sessionLogKey(session));
      const events: SessionEvent[] = [];
      while (events.length < head.tail) {
        const page = await reader.page(head, events.length);
        events.push(...(JSON.parse(`[${pageBytes(page).toString()}]`) as SessionEvent[]));
      }
      return events;
    },

    async stop(): Promise<void> {
      await app.close();
      await signals.onApplicationShutdown();
      await dataSource.destroy();
      if (!shared && 'drop' in database) await (database as { drop(): Promise<void> }).drop();
    },
  };
}

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
