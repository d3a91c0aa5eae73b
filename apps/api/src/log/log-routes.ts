import { Injectable } from '@nestjs/common';
import type { DomainError } from '@holdfast/platform-errors';
import { DirectRoutes, type DirectRoute } from '@holdfast/platform-http';
import { OwnStreams } from './own-streams.js';
import { SessionLogs } from './session-logs.js';
import { refusalHeaders } from './stream-headers.js';
import { decodedPathOf, STREAM_ROOT } from './stream-path.js';

/** Control operations of the protocol (subscriptions), which are ordinary operations of the api. */
const CONTROL_ROOT = `${STREAM_ROOT}__ds/`;
/** By the decoded path, which is also what names the stream: an encoded one must not reach it by another policy. */
const SESSION_LOG = /^sessions\/[^/]+\/events$/;
const ACTIVITY_LOG = /^tasks\/[^/]+\/activity$/;
const CONTROL_LOG = /^runners\/[^/]+\/control$/;

/** Everything below `/v1/stream/` that is a stream. */
@Injectable()
export class LogRoutes extends DirectRoutes {
  private readonly ownStreams: DirectRoute;
  private readonly sessionLog: DirectRoute;
  private readonly activityLog: DirectRoute;
  private readonly controlLog: DirectRoute;

  constructor(ownStreams: OwnStreams, sessionLogs: SessionLogs) {
    super();
    this.ownStreams = ownStreams.route;
    this.sessionLog = sessionLogs.sessionLog;
    this.activityLog = sessionLogs.activityLog;
    this.controlLog = sessionLogs.controlLog;
  }

  get all(): DirectRoute[] {
    return [this.sessionLog, this.activityLog, this.controlLog, this.ownStreams];
  }

  find(path: string): DirectRoute | undefined {
    if (!path.startsWith(STREAM_ROOT) || path.startsWith(CONTROL_ROOT)) return undefined;
    const stream = decodedPathOf(path);
    if (SESSION_LOG.test(stream)) return this.sessionLog;
    if (ACTIVITY_LOG.test(stream)) return this.activityLog;
    return CONTROL_LOG.test(stream) ? this.controlLog : this.ownStreams;
  }

  headersOf(error: DomainError): Record<string, string> {
    return refusalHeaders(error);
  }
}
