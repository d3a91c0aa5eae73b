import type { ServerResponse } from 'node:http';
import { Injectable } from '@nestjs/common';
import { isUUID } from 'class-validator';
import { LogReader, StreamNotFound, StreamReserved, type LogKey } from '@holdfast/durable-streams';
import { requireTurnScope } from '@holdfast/platform-auth';
import { readBody, writeHead, type DirectRequest, type DirectRoute } from '@holdfast/platform-http';
import { SESSION_ID_PATTERN } from '@holdfast/platform-postgres';
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

/** The logs of sessions and runners: read by whoever may, written by the turn that runs, and nothing else. */
@Injectable()
export class SessionLogs {
  constructor(
    private readonly reader: LogReader,
    private readonly reading: StreamReading,
    private readonly log: SessionLogService,
    private readonly claims: TurnClaimsService,
  ) {}

  readonly sessionLog: DirectRoute = {
    name: '/v1/stream/sessions/:session_id/events',
    methods: {
      GET: { policy: { for: 'user', permission: 'VIEW_SESSIONS' }, handle: (...args) => this.readSessionLog(...args) },
      HEAD: { policy: { for: 'user', permission: 'VIEW_SESSIONS' }, handle: (...args) => this.headSessionLog(...args) },
      POST: { policy: { for: 'turn' }, handle: (...args) => this.appendSessionLog(...args) },
      PUT: { policy: { for: 'user', permission: 'EDIT_SESSIONS' }, handle: refuseReserved },
      DELETE: { policy: { for: 'user', permission: 'EDIT_SESSIONS' }, handle: refuseReserved },
    },
  };

  readonly controlLog: DirectRoute = {
    name: '/v1/stream/runners/:replica_id/control',
    methods: {
      GET: { policy: { for: 'runner-or-turn' }, handle: (...args) => this.readControlLog(...args) },
      PUT: { policy: { for: 'user', permission: 'EDIT_SESSIONS' }, handle: refuseReserved },
      POST: { policy: { for: 'user', permission: 'EDIT_SESSIONS' }, handle: refuseReserved },
      DELETE: { policy: { for: 'user', permission: 'EDIT_SESSIONS' }, handle: refuseReserved },
    },
  };

  readSessionLog(request: DirectRequest, response: ServerResponse): Promise<void> {
    return this.reading.read(sessionKeyOf(request), request, response);
  }

  private async headSessionLog(request: DirectRequest, response: ServerResponse): Promise<void> {
    const head = await this.reader.head(sessionKeyOf(request));
    writeHead(response, 200, { ...headHeaders(head), 'cache-control': 'no-store' }).end();
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

const secondSegmentOf = ({ path }: DirectRequest): string => streamPathOf(path).split('/')[1]!;

function sessionIdOf(request: DirectRequest): string {
  const session_id = secondSegmentOf(request);
  if (!SESSION_ID_PATTERN.test(session_id)) throw StreamNotFound({ path: sessionLogPath(session_id) });
  return session_id;
}

const sessionKeyOf = (request: DirectRequest): LogKey => ({
  project_id: request.principal.project_id,
  path: sessionLogPath(sessionIdOf(request)),
});

function refuseReserved({ path }: DirectRequest): Promise<void> {
  return Promise.reject(StreamReserved({ path: streamPathOf(path) }));
}
