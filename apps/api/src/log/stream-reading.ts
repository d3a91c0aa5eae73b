import type { ServerResponse } from 'node:http';
import { Inject, Injectable } from '@nestjs/common';
import {
  isJson,
  LiveModeUnknown,
  LiveOffsetMissing,
  LogReader,
  LogViewer,
  OffsetMalformed,
  sseEncodingOf,
  type LogHead,
  type LogKey,
  type LogPage,
} from '@holdfast/durable-streams';
import { Draining, writeHead, type DirectRequest } from '@holdfast/platform-http';
import { isSessionLogPath, sessionIdOfLog } from '@holdfast/sessions-streams';
import { drained } from './drained.js';
import { LiveGrants, type ViewGrant } from './live-grants.js';
import { LiveViews } from './live-views.js';
import { openRequest } from './open-request.js';
import { entityTag, matchesEntityTag, pageHeaders, type StreamHeaders } from './stream-headers.js';
import { ViewerLimit } from './viewer-limit.js';

/** How long a long-poll waits, in milliseconds. */
export const LONG_POLL_MS = Symbol('LONG_POLL_MS');

/** Little, so that the first byte comes soon; what follows comes in larger pages. */
const FIRST_PAGE_BYTES = 128 * 1024;

/** How long a reader may take for what waits for it, which is a few MiB. */
const STALLED_MS = 30_000;

/** Reading a stream over HTTP: as it is, by long-poll, or as Server-Sent Events (Durable Streams, sections 5.6 to 5.8). */
@Injectable()
export class StreamReading {
  constructor(
    private readonly reader: LogReader,
    private readonly viewer: LogViewer,
    private readonly views: LiveViews,
    private readonly grants: LiveGrants,
    private readonly draining: Draining,
    private readonly limit: ViewerLimit,
    @Inject(LONG_POLL_MS) private readonly longPollMs: number,
  ) {}

  /** Errors: stream_not_found, stream_deleted, offset_malformed, offset_beyond_tail, offset_gone, live_mode_unknown, live_offset_missing, too_many_viewers. */
  async read(key: LogKey, request: DirectRequest, response: ServerResponse): Promise<void> {
    const query = new URLSearchParams(request.search);
    const offsets = query.getAll('offset');
    if (offsets.length > 1) throw OffsetMalformed({ offset: offsets.join(', ') });
    const live = query.getAll('live').join(', ');
    if (!query.has('live')) return this.readNow(key, offsets[0] ?? '-1', request, response);
    if (live !== 'sse' && live !== 'long-poll') throw LiveModeUnknown({ live });
    if (offsets[0] === undefined) throw LiveOffsetMissing();
    const cursor = query.get('cursor') ?? undefined;
    if (live === 'sse') return this.follow(key, offsets[0], cursor, request, response);
    return this.poll(key, offsets[0], cursor, request, response);
  }

  /** All there is, in one answer: some clients stop after the first whatever it says. */
  private async readNow(key: LogKey, offset: string, { raw }: DirectRequest, response: ServerResponse): Promise<void> {
    const { head, position } = await this.reader.locate(key, offset);
    const first = await this.reader.page(head, position, FIRST_PAGE_BYTES, FIRST_PAGE_BYTES);
    if (offset === 'now') return sendPage(response, head, first, { 'cache-control': 'no-store' });
    const whole = { ...first, next: head.tail, upToDate: true };
    const tag = entityTag(head, whole);
    const headers = { ...pageHeaders(head, whole, undefined), etag: tag, 'cache-control': 'private, no-cache' };
    if (matchesEntityTag(raw.headers['if-none-match'], tag)) writeHead(response, 304, headers).end();
    else if (first.upToDate) sendPage(response, head, first, headers);
    else await this.sendPages(response, head, first, headers);
  }

  /** No more of it is in memory than the reader takes. A failure in the middle cuts the answer off. */
  private async sendPages(
    response: ServerResponse,
    head: LogHead,
    first: LogPage,
    headers: StreamHeaders,
  ): Promise<void> {
    const json = isJson(head);
    writeHead(response, 200, headers);
    if (json) response.write(OPEN);
    for (let page = first; ; page = await this.reader.page(head, page.next)) {
      response.cork();
      if (json && page !== first) response.write(COMMA);
      for (const part of page.parts) response.write(part);
      response.uncork();
      if (page.upToDate || response.destroyed) break;
      if (response.writableNeedDrain && !(await drained(response, STALLED_MS))) return void response.destroy();
    }
    if (!response.destroyed) response.end(json ? CLOSE : undefined);
  }

  private async poll(
    key: LogKey,
    offset: string,
    cursor: string | undefined,
    request: DirectRequest,
    response: ServerResponse,
  ): Promise<void> {
    const leave = this.limit.enter();
    const waiting = openRequest(request.raw, this.draining);
    const held = this.grants.hold(grantOf(key, request));
    try {
      const signal = AbortSignal.any([waiting.signal, held.signal]);
      const { head, page } = await this.viewer.poll(key, offset, this.longPollMs, signal);
      held.signal.throwIfAborted();
      const headers = { ...pageHeaders(head, page, { cursor }), 'cache-control': 'no-store' };
      if (page.parts.length > 0) sendPage(response, head, page, headers);
      else writeHead(response, 204, headers).end();
    } finally {
      held.done();
      waiting.done();
      leave();
    }
  }

  private follow(
    key: LogKey,
    offset: string,
    cursor: string | undefined,
    request: DirectRequest,
    response: ServerResponse,
  ): Promise<void> {
    return this.views.serve(request.raw, response, grantOf(key, request), (view, stream) =>
      this.viewer.follow(key, offset, { ...view, cursor }, (head) =>
        stream.start(sseEncodingOf(head) === 'base64' ? { 'stream-sse-data-encoding': 'base64' } : {}),
      ),
    );
  }
}

/** Those who look at a session's log are there for others who do. */
function grantOf({ path }: LogKey, { raw, principal, admit }: DirectRequest): ViewGrant {
  const session_ids = isSessionLogPath(path) ? [sessionIdOfLog(path)] : [];
  return { headers: raw.headers, principal, admit, session_ids };
}

const OPEN = Buffer.from('[');
const CLOSE = Buffer.from(']');
const COMMA = Buffer.from(',');

/** In one write, whatever the number of parts: they are not copied for it. */
function sendPage(response: ServerResponse, head: LogHead, page: LogPage, headers: StreamHeaders): void {
  const parts = isJson(head) ? [OPEN, ...page.parts, CLOSE] : page.parts;
  const length = parts.reduce((sum, part) => sum + part.length, 0);
  writeHead(response, 200, { ...pageHeaders(head, page, undefined), ...headers, 'content-length': String(length) });
  response.cork();
  for (const part of parts) response.write(part);
  response.end();
  response.uncork();
}
