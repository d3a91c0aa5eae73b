import type { ServerResponse } from 'node:http';
import { Injectable } from '@nestjs/common';
import {
  LogLifecycle,
  LogReader,
  LogService,
  StreamNotFound,
  StreamReserved,
  type LogKey,
} from '@holdfast/durable-streams';
import { readBody, writeHead, type DirectRequest, type DirectRoute } from '@holdfast/platform-http';
import { isReservedLogPath } from '@holdfast/sessions-streams';
import { appendHeaders, headHeaders, lifetimeHeaders } from './stream-headers.js';
import { PublicUrl } from './public-url.js';
import { streamPathOf } from './stream-path.js';
import { StreamReading } from './stream-reading.js';
import { parseAppend, parseCreate } from './stream-request.js';

/** Streams that a project makes for itself: every verb of the protocol. */
@Injectable()
export class OwnStreams {
  constructor(
    private readonly lifecycle: LogLifecycle,
    private readonly log: LogService,
    private readonly reader: LogReader,
    private readonly reading: StreamReading,
    private readonly publicUrl: PublicUrl,
  ) {}

  readonly route: DirectRoute = {
    name: '/v1/stream/*',
    methods: {
      PUT: { policy: { for: 'user', permission: 'EDIT_SESSIONS' }, handle: (...args) => this.create(...args) },
      POST: { policy: { for: 'user', permission: 'EDIT_SESSIONS' }, handle: (...args) => this.append(...args) },
      DELETE: { policy: { for: 'user', permission: 'EDIT_SESSIONS' }, handle: (...args) => this.delete(...args) },
      GET: { policy: { for: 'user', permission: 'VIEW_SESSIONS' }, handle: (...args) => this.read(...args) },
      HEAD: { policy: { for: 'user', permission: 'VIEW_SESSIONS' }, handle: (...args) => this.head(...args) },
    },
  };

  private async create(request: DirectRequest, response: ServerResponse): Promise<void> {
    const { raw, path } = request;
    const create = parseCreate(ownKeyOf(request), raw.headers, await readBody(raw));
    if (create.fork) refuseReserved(create.fork.source_path);
    const { head, created } = await this.lifecycle.create(create);
    const location = created && { location: `${this.publicUrl.baseFor(raw)}${path}` };
    writeHead(response, created ? 201 : 200, { ...headHeaders(head), ...location }).end();
  }

  private async append(request: DirectRequest, response: ServerResponse): Promise<void> {
    const append = parseAppend(ownKeyOf(request), request.raw.headers, await readBody(request.raw));
    const outcome = await this.log.append(append);
    if (outcome.kind === 'refused') throw outcome.error;
    const isNew = outcome.kind === 'appended' && append.producer && append.messages.length > 0;
    writeHead(response, isNew ? 200 : 204, appendHeaders(outcome, append.producer)).end();
  }

  private async delete(request: DirectRequest, response: ServerResponse): Promise<void> {
    await this.lifecycle.delete(ownKeyOf(request));
    writeHead(response, 204, {}).end();
  }

  private read(request: DirectRequest, response: ServerResponse): Promise<void> {
    return this.reading.read(readableKeyOf(request), request, response);
  }

  private async head(request: DirectRequest, response: ServerResponse): Promise<void> {
    const head = await this.reader.head(readableKeyOf(request));
    writeHead(response, 200, { ...headHeaders(head), ...lifetimeHeaders(head), 'cache-control': 'no-store' }).end();
  }
}

const keyOf = ({ principal, path }: DirectRequest): LogKey => ({
  project_id: principal.project_id,
  path: streamPathOf(path),
});

/** What is reserved has routes of its own: here it does not exist. Errors: stream_path_invalid, stream_not_found. */
function readableKeyOf(request: DirectRequest): LogKey {
  const key = keyOf(request);
  if (isReservedLogPath(key.path)) throw StreamNotFound({ path: key.path });
  return key;
}

/** Errors: stream_path_invalid, stream_reserved. */
function ownKeyOf(request: DirectRequest): LogKey {
  const key = keyOf(request);
  refuseReserved(key.path);
  return key;
}

function refuseReserved(path: string): void {
  if (isReservedLogPath(path)) throw StreamReserved({ path });
}
