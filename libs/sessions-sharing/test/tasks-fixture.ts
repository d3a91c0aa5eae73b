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
import { authPersistence, SessionAccess, type Principal, type SharePrincipal } from '@holdfast/platform-auth';
import {
  createDataSource,
  IdempotencyKeys,
  Outbox,
  OutboxBell,
  platformPersistence,
  SessionFences,
  SessionNotFound,
  StaleEpoch,
  UnitOfWork,
  type SessionKey,
  type Transaction,
  type TurnFence,
} from '@holdfast/platform-postgres';
import { Jobs } from '@holdfast/platform-queue';
import { PostgresSignals, Signals } from '@holdfast/platform-signals';
import { testPostgres } from '@holdfast/testing';
import {
  activityLogPath,
  sessionsSharingPersistence,
  SessionTasksModule,
  TaskActivity,
  TaskActivityRelayer,
  TaskFollowers,
  TaskMessages,
  TaskSessions,
  TasksReader,
  TasksService,
  TaskStates,
  type SessionTask,
  type SessionTaskCreate,
  type SessionTaskEdit,
  type TurnFact,
} from '../src/index.js';
import { ShareReach } from '../src/shares/share-reach.js';
import { NoTaskFollowers } from '../src/tasks/task-followers.js';

const persistence = [platformPersistence, authPersistence, durableStreamsPersistence, sessionsSharingPersistence];

/** The sessions that there are, and how the newest turn of each stands, as a test says. */
const sessions = new Map<string, TurnFact | undefined>();
/** That of every turn. */
const EPOCH = 1;
const nameOf = ({ project_id, session_id }: SessionKey) => `${project_id} ${session_id}`;

class SetSessions extends TaskSessions {
  async standing(_: Transaction, session: SessionKey): Promise<TurnFact | undefined> {
    if (!sessions.has(nameOf(session))) throw SessionNotFound({ session_id: session.session_id });
    return sessions.get(nameOf(session));
  }

  async requireLive(_: Transaction, { session_id, epoch }: TurnFence): Promise<void> {
    if (epoch !== EPOCH) throw StaleEpoch({ session_id, epoch, current: EPOCH });
  }
}

@Module({})
class Process {
  static with(unitOfWork: UnitOfWork, signals: Signals): DynamicModule {
    const providers = [
      { provide: UnitOfWork, useValue: unitOfWork },
      { provide: Signals, useValue: signals },
      { provide: OutboxBell, useValue: { ring: () => undefined } },
      { provide: TaskSessions, useClass: SetSessions },
      { provide: TaskFollowers, useClass: NoTaskFollowers },
      { provide: SessionAccess, useClass: ShareReach },
      Outbox,
      Jobs,
      IdempotencyKeys,
      SessionFences,
      TasksService,
      TaskMessages,
    ];
    return {
      module: Process,
      global: true,
      imports: [DurableStreamsModule.forRoot(DEFAULT_DURABLE_STREAMS_CONFIG), SessionTasksModule],
      providers,
      exports: providers.map((provider) => ('provide' in provider ? provider.provide : provider)),
    };
  }
}

/** Tasks as one process has them, on a database of its own or on one that another process has too. */
export async function startTasks(shared?: { url: string }) {
  const database = shared ?? (await testPostgres(persistence));
  const config = { url: database.url, poolSize: 5, applicationName: 'test' };
  const dataSource = await createDataSource(config, persistence).initialize();
  const signals = await PostgresSignals.connect(database.url);
  const unitOfWork = new UnitOfWork(dataSource);
  const app = await NestFactory.createApplicationContext(Process.with(unitOfWork, signals), { logger: ['error'] });
  return {
    url: database.url,
    app,
    unitOfWork,
    dataSource,
    relayer: app.get(TaskActivityRelayer),
    newProject: () => new ProjectOfTasks(app, unitOfWork),
    async stop(): Promise<void> {
      await app.close();
      await signals.onApplicationShutdown();
      await dataSource.destroy();
      if (!shared) await (database as Awaited<ReturnType<typeof testPostgres>>).drop();
    },
  };
}

export type Tasks = Awaited<ReturnType<typeof startTasks>>;

/** What an activity log holds. */
export interface ActivityEvent {
  type: string;
  at: string;
  task_id: string;
  data: Record<string, unknown> & { task?: SessionTask };
}

/** A project with somebody who may do everything in it. */
export class ProjectOfTasks {
  readonly project_id = randomUUID();
  readonly principal: Principal = {
    project_id: this.project_id,
    key_id: randomUUID(),
    kind: 'user',
    permissions: ['VIEW_SESSIONS', 'RUN_SESSIONS', 'EDIT_SESSIONS'],
  };
  private readonly service;
  private readonly reader;
  private readonly messages;

  constructor(
    private readonly app: Awaited<ReturnType<typeof NestFactory.createApplicationContext>>,
    private readonly unitOfWork: UnitOfWork,
  ) {
    this.service = app.get(TasksService);
    this.reader = app.get(TasksReader);
    this.messages = app.get(TaskMessages);
  }

  async create(create: Partial<SessionTaskCreate> = {}): Promise<SessionTask> {
    const { task_id } = await this.service.create(this.principal, { location: 'remote', ...create });
    return this.fetch(task_id);
  }

  /** A task under another one. */
  child({ task_id }: { task_id: string }, create: Partial<SessionTaskCreate> = {}): Promise<SessionTask> {
    return this.create({ ...create, parent_task_id: task_id });
  }

  async edit({ task_id }: { task_id: string }, edit: SessionTaskEdit): Promise<SessionTask> {
    await this.service.edit(this.principal, task_id, edit);
    return this.fetch(task_id);
  }

  fetch(task_id: string, by: Principal = this.principal): Promise<SessionTask> {
    return this.reader.fetch(by, task_id);
  }

  query(query: Partial<Parameters<TasksReader['query']>[1]>, by: Principal = this.principal) {
    return this.reader.query(by, { limit: 200, ...query });
  }

  names(task_ids: string[], by: Principal = this.principal) {
    return this.reader.names(by, task_ids);
  }

  /** Somebody who came through a share of the task. */
  share({ task_id }: { task_id: string }, scope: 'session' | 'tree'): SharePrincipal {
    const share = {
      share_id: randomUUID(),
      participant_id: null,
      role: 'reader',
      scope,
      session_id: null,
      task_id,
      maker_id: this.principal.key_id,
    } as const;
    return {
      project_id: this.project_id,
      key_id: share.share_id,
      kind: 'share',
      permissions: ['VIEW_SESSIONS'],
      share,
    };
  }

  /** A session whose newest turn stands so. */
  session(session_id: string = randomUUID(), fact?: TurnFact): SessionKey {
    const session = { project_id: this.project_id, session_id };
    sessions.set(nameOf(session), fact);
    return session;
  }

  /** A task with a session, of which turns can be told. */
  async working(create: Partial<SessionTaskCreate> = {}): Promise<SessionTask & { session: SessionKey }> {
    const session = this.session();
    return { ...(await this.create({ session_id: session.session_id, ...create })), session };
  }

  told(session: SessionKey, kind: TurnFact['kind'], fact: Partial<TurnFact> = {}): Promise<void> {
    return this.unitOfWork.run((tx) => this.app.get(TaskStates).told(tx, session, turnFact(kind, fact)));
  }

  stop({ task_id }: { task_id: string }, how: 'cancel' | 'kill' = 'cancel') {
    return this.service.stop(this.principal, task_id, how);
  }

  openLog({ task_id }: { task_id: string }): Promise<void> {
    const { project_id } = this;
    return this.unitOfWork.run((tx) => this.app.get(TaskActivity).openLog(tx, { project_id, task_id }));
  }

  async activity({ task_id }: { task_id: string }): Promise<ActivityEvent[]> {
    const reader = this.app.get(LogReader);
    const head = await reader.head({ project_id: this.project_id, path: activityLogPath(task_id) });
    const events: ActivityEvent[] = [];
    while (events.length < head.tail) {
      const page = await reader.page(head, events.length);
      events.push(...(JSON.parse(`[${pageBytes(page).toString()}]`) as ActivityEvent[]));
    }
    return events;
  }

  send(from: { session: SessionKey }, to: string[], body = 'hello', key?: string) {
    return this.messages.send(attemptOf(from), { to, body }, key);
  }

  wait(task: { session: SessionKey }, seconds: number, signal: AbortSignal = new AbortController().signal) {
    return this.messages.wait(attemptOf(task), seconds, signal);
  }

  box(task: { session: SessionKey }, query: { unread?: boolean; cursor?: string; limit?: number } = {}) {
    return this.messages.query(task.session, { limit: 50, ...query });
  }

  note(task: { session: SessionKey }, what: 'delivered' | 'read', message_ids: string[]) {
    return this.messages.note(attemptOf(task), what, message_ids);
  }
}

/** The turn that runs in the session of a task; always the same one. */
export const attemptOf = ({ session }: { session: SessionKey }): TurnFence => ({
  ...session,
  turn_id: session.session_id,
  epoch: EPOCH,
});

export function turnFact(kind: TurnFact['kind'], fact: Partial<TurnFact> = {}): TurnFact {
  return {
    kind,
    turn_id: randomUUID(),
    turn_index: 0,
    error: null,
    agent: { name: 'scripted', revision: 1 },
    harness: 'scripted',
    ...fact,
  };
}

/** What of many attempts went well, and the codes of what did not. */
export async function settle<T>(attempts: Promise<T>[]): Promise<{ done: T[]; codes: string[] }> {
  const settled = await Promise.allSettled(attempts);
  return {
    done: settled.flatMap((one) => (one.status === 'fulfilled' ? [one.value] : [])),
    codes: settled.flatMap((one) => (one.status === 'rejected' ? [(one.reason as { code: string }).code] : [])),
  };
}
