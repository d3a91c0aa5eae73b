import { Controller, Get, Head, Post, Req, Res } from '@nestjs/common';
import { ApiExcludeEndpoint, ApiHeader, ApiOkResponse, ApiParam, ApiQuery, ApiTags } from '@nestjs/swagger';
import { isUUID } from 'class-validator';
import type { FastifyReply, FastifyRequest } from 'fastify';
import { Permit, principalOf, RunnerOnly } from '@holdfast/platform-auth';
import { ApiProblems, Draining } from '@holdfast/platform-http';
import { SESSION_ID_PATTERN, StaleEpoch } from '@holdfast/platform-postgres';
import {
  AppendBacklogFull,
  AppendMalformed,
  controlLogPath,
  EventTypeReserved,
  formatOffset,
  LiveModeUnknown,
  LogReader,
  LogService,
  LogUnavailable,
  LogViewer,
  MessageTooLarge,
  nextCursor,
  OffsetBeyondTail,
  OffsetGone,
  OffsetMalformed,
  parseProducer,
  parseRunnerEvents,
  ProducerSequenceGap,
  RUNNER_PRODUCER_ID,
  sessionLogPath,
  StreamNotFound,
  TurnClaimsService,
  TurnMismatch,
  type LogKey,
  type LogPage,
} from '@holdfast/sessions-streams';
import { openEventStream } from './event-stream.js';
import { openRequest } from './open-request.js';

const LONG_POLL_MS = 20_000;
/** Connections end after about a minute, so that proxies and grants get a fresh look; the client goes on by offset. */
const SSE_LIFETIME_MS = 60_000;

interface ReadQuery {
  offset?: string | string[];
  live?: string | string[];
  cursor?: string;
}

const ReadProblems = () => ApiProblems(StreamNotFound, OffsetMalformed, OffsetBeyondTail, OffsetGone, LiveModeUnknown);

/**
 * The log over HTTP, as the Durable Streams protocol has it. The handlers own the reply: no pipe and no interceptor
 * touches a message on its way.
 */
@ApiTags('session-log')
@Controller('v1/stream')
export class SessionLogController {
  constructor(
    private readonly reader: LogReader,
    private readonly viewer: LogViewer,
    private readonly log: LogService,
    private readonly claims: TurnClaimsService,
    private readonly draining: Draining,
  ) {}

  // Before the GET of the same path: Fastify would make a HEAD of it.
  @Head('sessions/:session_id/events')
  @Permit('VIEW_SESSIONS')
  @ApiExcludeEndpoint()
  async headSessionLog(@Req() request: FastifyRequest, @Res() reply: FastifyReply): Promise<unknown> {
    const head = await this.reader.head(sessionKeyOf(request));
    return reply
      .headers({
        'content-type': 'application/json',
        'stream-next-offset': formatOffset({ generation: head.generation, position: head.tail }),
        'cache-control': 'no-store',
      })
      .send();
  }

  /** Reads a session's log from an offset; with `live`, goes on with what comes. */
  @Get('sessions/:session_id/events')
  @Permit('VIEW_SESSIONS')
  @ApiParam({ name: 'session_id', description: 'The session.' })
  @ApiQuery({
    name: 'offset',
    required: false,
    description: '`-1` (start), `now` (end) or an offset of an earlier answer.',
  })
  @ApiQuery({
    name: 'live',
    required: false,
    enum: ['long-poll', 'sse'],
    description: 'Wait for more, or stay connected.',
  })
  @ApiQuery({ name: 'cursor', required: false, description: '`Stream-Cursor` of the answer before.' })
  @ApiOkResponse({
    description: 'A JSON array of events; `Stream-Next-Offset` says where to go on. As SSE with `live=sse`.',
    content: {
      'application/json': { schema: { type: 'array', items: { type: 'object', additionalProperties: true } } },
      'text/event-stream': { schema: { type: 'string' } },
    },
  })
  @ReadProblems()
  readSessionLog(@Req() request: FastifyRequest, @Res() reply: FastifyReply): Promise<unknown> {
    return this.read(sessionKeyOf(request), request, reply);
  }

  /** Appends what an agent did. Durable when answered; a retry with the same producer headers is never doubled. */
  @Post('sessions/:session_id/events')
  @RunnerOnly()
  @ApiParam({ name: 'session_id', description: 'The session.' })
  @ApiHeader({ name: 'Producer-Id', required: true, description: 'Always `runner`.' })
  @ApiHeader({ name: 'Producer-Epoch', required: true, description: 'Epoch of the grant.' })
  @ApiHeader({
    name: 'Producer-Seq',
    required: true,
    description: '0 for the first append of an epoch, then one more each.',
  })
  @ApiExcludeEndpoint()
  @ApiProblems(
    StreamNotFound,
    StaleEpoch,
    AppendMalformed,
    EventTypeReserved,
    MessageTooLarge,
    ProducerSequenceGap,
    TurnMismatch,
    AppendBacklogFull,
    LogUnavailable,
  )
  async appendSessionLog(@Req() request: FastifyRequest, @Res() reply: FastifyReply): Promise<unknown> {
    const { project_id } = principalOf(request);
    const session_id = sessionIdOf(request);
    const producer = parseProducer(request.headers, RUNNER_PRODUCER_ID);
    const events = parseRunnerEvents(request.body as Buffer);
    const outcome = await this.log.appendAsRunner({ project_id, session_id }, events, producer);
    if (outcome.kind === 'refused') throw outcome.error;
    return reply
      .status(outcome.kind === 'duplicate' ? 204 : 200)
      .headers({
        'stream-next-offset': formatOffset({ generation: outcome.generation, position: outcome.tail }),
        'producer-epoch': String(producer.epoch),
        'producer-seq': String(outcome.kind === 'duplicate' ? outcome.seq : producer.seq),
      })
      .send();
  }

  /** The commands of a runner's replica. */
  @Get('runners/:replica_id/control')
  @RunnerOnly()
  @ApiExcludeEndpoint()
  async readControlLog(@Req() request: FastifyRequest, @Res() reply: FastifyReply): Promise<unknown> {
    const { replica_id } = request.params as { replica_id: string };
    const { project_id, key_id } = principalOf(request);
    const path = controlLogPath(replica_id);
    const isMine = isUUID(replica_id) && (await this.claims.isRegistered({ project_id, replica_id, key_id }));
    if (!isMine) throw StreamNotFound({ path: controlLogPath(replica_id.slice(0, 64)) });
    return this.read({ project_id, path }, request, reply);
  }

  private async read(key: LogKey, request: FastifyRequest, reply: FastifyReply): Promise<unknown> {
    const query = request.query as ReadQuery;
    const offset = query.offset ?? '-1';
    if (typeof offset !== 'string') throw OffsetMalformed({ offset: offset.join(', ') });
    if (query.live === 'sse') return this.follow(key, offset, query, request, reply);
    if (query.live === 'long-poll') return this.poll(key, offset, query, request, reply);
    if (query.live !== undefined) throw LiveModeUnknown({ live: String(query.live) });

    const { head, position } = await this.reader.locate(key, offset);
    return sendPage(reply, await this.reader.page(head, position), query);
  }

  private async poll(
    key: LogKey,
    offset: string,
    query: ReadQuery,
    request: FastifyRequest,
    reply: FastifyReply,
  ): Promise<unknown> {
    const waiting = openRequest(request, this.draining);
    try {
      const page = await this.viewer.poll(key, offset, LONG_POLL_MS, waiting.signal);
      if (page.next > page.from) return await sendPage(reply, page, query);
      return await reply.status(204).headers(pageHeaders(page, query)).send();
    } finally {
      waiting.done();
    }
  }

  private async follow(
    key: LogKey,
    offset: string,
    query: ReadQuery,
    request: FastifyRequest,
    reply: FastifyReply,
  ): Promise<void> {
    const watching = openRequest(request, this.draining);
    const stream = openEventStream(reply, watching.signal);
    try {
      const view = { cursor: query.cursor, lifetimeMs: SSE_LIFETIME_MS, signal: watching.signal };
      await this.viewer.follow(key, offset, view, () => stream.start());
    } catch (error) {
      if (!stream.started) throw error;
      // The viewer is gone or the database is: either way it goes on from the last offset it was given.
      request.log.debug({ err: error }, 'event stream cut');
      stream.cut();
    } finally {
      watching.done();
      stream.end();
    }
  }
}

function sessionIdOf(request: FastifyRequest): string {
  const { session_id } = request.params as { session_id: string };
  if (!SESSION_ID_PATTERN.test(session_id)) throw StreamNotFound({ path: sessionLogPath(session_id.slice(0, 128)) });
  return session_id;
}

const sessionKeyOf = (request: FastifyRequest): LogKey => ({
  project_id: principalOf(request).project_id,
  path: sessionLogPath(sessionIdOf(request)),
});

function pageHeaders(page: LogPage, query: ReadQuery): Record<string, string> {
  return {
    'content-type': 'application/json',
    'cache-control': 'no-store',
    'stream-next-offset': formatOffset({ generation: page.generation, position: page.next }),
    ...(page.upToDate && { 'stream-up-to-date': 'true' }),
    ...(query.live && { 'stream-cursor': nextCursor(query.cursor) }),
  };
}

function sendPage(reply: FastifyReply, page: LogPage, query: ReadQuery): FastifyReply {
  const body = Buffer.concat([Buffer.from('['), page.body, Buffer.from(']')]);
  return reply.headers(pageHeaders(page, query)).send(body);
}
