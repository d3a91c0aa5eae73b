import type { ServerResponse } from 'node:http';
import { Injectable } from '@nestjs/common';
import { isUUID } from 'class-validator';
import { LogReader, StreamNotFound, StreamReserved, type LogKey } from '@holdfast/durable-streams';
import { requireTurnScope, SessionAccess, type ClosedPolicy, type Principal } from '@holdfast/platform-auth';
import { isDomainError } from '@holdfast/platform-errors';
import { readBody, writeHead, type DirectRequest, type DirectRoute, type DirectSession } from '@holdfast/platform-http';
import { SESSION_ID_PATTERN } from '@holdfast/platform-postgres';
import { activityLogPath, TaskNotFound } from '@holdfast/sessions-sharing';
import {
  controlLogPath,
  parseProducer,
  parseRunnerEvents,
  RUNNER_PRODUCER_ID,
  SessionLogService,
  sessionLogPath,
  TurnClaimsService,
} from '@holdfast/sessions-streams';
import { appendHeaders, headHeaders } from './stream-headers.js';
import { streamPathOf } from './stream-path.js';
import { StreamReading } from './stream-reading.js';

const VIEW: ClosedPolicy = { for: 'user', permission: 'VIEW_SESSIONS' };
const EDIT: ClosedPolicy = { for: 'user', permission: 'EDIT_SESSIONS' };

/**
 * The logs of sessions, tasks and runners: read by whoever may, written by the turn that runs and by the server, and
 * nothing else.
 */
@Injectable()
export class SessionLogs {
  constructor(
    private readonly reader: LogReader,
    private readonly reading: StreamReading,
    private readonly log: SessionLogService,
    private readonly claims: TurnClaimsService,
    private readonly access: SessionAccess,
  ) {}

  private readonly ofSession: DirectSession = {
    rule: { of: 'session', place: { in: 'params', name: 'session_id' } },
    reach: (principal, path) => this.reachSession(principal, path),
  };

  private readonly ofTask: DirectSession = {
    rule: { of: 'task', place: { in: 'params', name: 'task_id' } },
    reach: (principal, path) => this.reachTask(principal, path),
  };

  readonly sessionLog: DirectRoute = {
    name: '/v1/stream/sessions/:session_id/events',
    methods: {
      GET: { policy: VIEW, session: this.ofSession, handle: (...args) => this.readSessionLog(...args) },
      HEAD: { policy: VIEW, session: this.ofSession, handle: (...args) => this.headSessionLog(...args) },
      POST: { policy: { for: 'turn' }, handle: (...args) => this.appendSessionLog(...args) },
      PUT: { policy: EDIT, handle: refuseReserved },
      DELETE: { policy: EDIT, handle: refuseReserved },
    },
  };

  readonly activityLog: DirectRoute = {
    name: '/v1/stream/tasks/:task_id/activity',
    methods: {
      GET: { policy: VIEW, session: this.ofTask, handle: (...args) => this.readActivityLog(...args) },
      HEAD: { policy: VIEW, session: this.ofTask, handle: (...args) => this.headActivityLog(...args) },
      PUT: { policy: EDIT, handle: refuseReserved },
      POST: { policy: EDIT, handle: refuseReserved },
      DELETE: { policy: EDIT, handle: refuseReserved },
    },
  };

  readonly controlLog: DirectRoute = {
    name: '/v1/stream/runners/:replica_id/control',
    methods: {
      GET: { policy: { for: 'runner-or-turn' }, handle: (...args) => this.readControlLog(...args) },
      PUT: { policy: EDIT, handle: refuseReserved },
      POST: { policy: EDIT, handle: refuseReserved },
      DELETE: { policy: EDIT, handle: refuseReserved },
    },
  };

  readSessionLog(request: DirectRequest, response: ServerResponse): Promise<void> {
    return this.reading.read(sessionKeyOf(request), request, response);
  }

  private async headSessionLog(request: DirectRequest, response: ServerResponse): Promise<void> {
    const head = await this.reader.head(sessionKeyOf(request));
    writeHead(response, 200, { ...headHeaders(head), 'cache-control': 'no-store' }).end();
  }

  private readActivityLog(request: DirectRequest, response: ServerResponse): Promise<void> {
    return this.reading.read(activityKeyOf(request), request, response);
  }

  private async headActivityLog(request: DirectRequest, response: ServerResponse): Promise<void> {
    const head = await this.reader.head(activityKeyOf(request));
    writeHead(response, 200, { ...headHeaders(head), 'cache-control': 'no-store' }).end();
  }

  /** The private session of somebody else has no log, as one that does not exist has none. Errors: as `SessionAccess.require`. */
  private async reachSession(principal: Principal, path: string): Promise<void> {
    const session_id = sessionIdOf({ path });
    try {
      await this.access.require(principal, session_id, 'reader');
    } catch (error) {
      const isHidden = principal.kind !== 'share' && isDomainError(error, 'session_not_found');
      throw isHidden ? StreamNotFound({ path: sessionLogPath(session_id) }) : error;
    }
  }

  /** What is told of a task is told of all that descends from it. Errors: task_not_found. */
  private async reachTask(principal: Principal, path: string): Promise<void> {
    const task_id = secondSegmentOf({ path }).toLowerCase();
    const reached = await this.access.reachedActivities(principal, [task_id]);
    if (!reached.has(task_id)) throw TaskNotFound({ task_id });
  }

  /** Durable when answered; a retry with the same producer headers is never doubled. */
  private async appendSessionLog(request: DirectRequest, response: ServerResponse): Promise<void> {
    const session = { project_id: request.principal.project_id, session_id: sessionIdOf(request) };
    const producer = parseProducer(request.raw.headers, RUNNER_PRODUCER_ID);
    requireTurnScope(request.principal, { session_id: session.session_id, epoch: producer.epoch });
    const events = parseRunnerEvents(await readBody(request.raw));
    requireTurnScope(request.principal, { turn_id: events.turn_id });
    const outcome = await this.log.appendAsRunner(session, events, producer);
    if (outcome.kind === 'refused') throw outcome.error;
    writeHead(response, outcome.kind === 'duplicate' ? 204 : 200, appendHeaders(outcome, producer)).end();
  }

  /** The commands of a runner's replica, or of a pushed turn, which is its own owner. */
  private async readControlLog(request: DirectRequest, response: ServerResponse): Promise<void> {
    const { principal } = request;
    const { project_id, key_id } = principal;
    const replica_id = secondSegmentOf(request);
    requireTurnScope(principal, { replica_id });
    const isMine =
      principal.kind === 'turn' ||
      (isUUID(replica_id) && (await this.claims.isRegistered({ project_id, replica_id, key_id })));
    if (!isMine) throw StreamNotFound({ path: controlLogPath(replica_id) });
    await this.reading.read({ project_id, path: controlLogPath(replica_id) }, request, response);
  }
}

/** The part of a request that names its log. */
type Located = Pick<DirectRequest, 'path'>;

const secondSegmentOf = ({ path }: Located): string => streamPathOf(path).split('/')[1]!;

function sessionIdOf(request: Located): string {
  const session_id = secondSegmentOf(request);
  if (!SESSION_ID_PATTERN.test(session_id)) throw StreamNotFound({ path: sessionLogPath(session_id) });
  return session_id;
}

const sessionKeyOf = (request: DirectRequest): LogKey => ({
  project_id: request.principal.project_id,
  path: sessionLogPath(sessionIdOf(request)),
});

/** As the database writes ids: however the caller wrote it, it is the same log. */
const activityKeyOf = (request: DirectRequest): LogKey => ({
  project_id: request.principal.project_id,
  path: activityLogPath(secondSegmentOf(request).toLowerCase()),
});

function refuseReserved({ path }: DirectRequest): Promise<void> {
  return Promise.reject(StreamReserved({ path: streamPathOf(path) }));
}
