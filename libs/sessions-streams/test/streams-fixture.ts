import { randomUUID } from 'node:crypto';
import {
  createDataSource,
  platformPersistence,
  SessionFences,
  UnitOfWork,
  type SessionKey,
} from '@holdfast/platform-postgres';
import { PostgresSignals } from '@holdfast/platform-signals';
import { testPostgres } from '@holdfast/testing';
import { RunnerReplicasRepository, type RunnerReplica } from '../src/control/runner-replicas.repository.js';
import { SessionTurnsRepository } from '../src/control/session-turns.repository.js';
import { SessionTurnsService } from '../src/control/session-turns.service.js';
import { TurnBeatsService } from '../src/control/turn-beats.service.js';
import { TurnClaimsService } from '../src/control/turn-claims.service.js';
import { AppendQueue } from '../src/log/append-queue.js';
import { LogMoves } from '../src/log/log-moves.js';
import { LogReader } from '../src/log/log-reader.js';
import { LogRepository } from '../src/log/log.repository.js';
import { LogService, sessionLogKey } from '../src/log/log.service.js';
import { LogViewer } from '../src/log/log-viewer.js';
import { LogWriter } from '../src/log/log-writer.js';
import { encodeMessage, type SessionEvent } from '../src/log/session-event.js';
import { sessionsStreamsPersistence } from '../src/persistence.js';
import { DEFAULT_STREAMS_CONFIG } from '../src/streams.config.js';

const persistence = [platformPersistence, sessionsStreamsPersistence];

/** The domain as one process has it, on a database of its own or on one that another process has too. */
export async function startStreams(shared?: { url: string }) {
  const database = shared ?? (await testPostgres(persistence));
  const config = { url: database.url, poolSize: 5, applicationName: 'test' };
  const dataSource = await createDataSource(config, persistence).initialize();
  const signals = await PostgresSignals.connect(database.url);
  const unitOfWork = new UnitOfWork(dataSource);
  const fences = new SessionFences();
  const logs = new LogRepository(unitOfWork);
  const writer = new LogWriter(logs);
  const moves = new LogMoves(signals);
  const log = new LogService(logs, new AppendQueue(unitOfWork, writer, moves), writer, moves);
  const reader = new LogReader(logs);
  const repository = new SessionTurnsRepository(unitOfWork);
  const replicas = new RunnerReplicasRepository(unitOfWork);
  const turns = new SessionTurnsService(repository, fences, log, signals, DEFAULT_STREAMS_CONFIG);
  const claims = new TurnClaimsService(unitOfWork, fences, repository, replicas, log, signals, DEFAULT_STREAMS_CONFIG);
  const beats = new TurnBeatsService(unitOfWork, fences, repository, replicas, turns, log, DEFAULT_STREAMS_CONFIG);

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
    viewer: new LogViewer(reader, moves),
    repository,
    turns,
    claims,
    beats,
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
        events.push(...(JSON.parse(`[${page.body.toString()}]`) as SessionEvent[]));
      }
      return events;
    },

    async stop(): Promise<void> {
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
