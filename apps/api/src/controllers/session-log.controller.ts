import { Controller, Get, Req, Res } from '@nestjs/common';
import { ApiOkResponse, ApiParam, ApiQuery, ApiTags } from '@nestjs/swagger';
import type { FastifyReply, FastifyRequest } from 'fastify';
import {
  LiveModeUnknown,
  LiveOffsetMissing,
  OffsetBeyondTail,
  OffsetGone,
  OffsetMalformed,
  StreamNotFound,
  TooManyViewers,
} from '@holdfast/durable-streams';
import { OfSession, Permit, principalOf } from '@holdfast/platform-auth';
import { admission, ApiProblems } from '@holdfast/platform-http';
import { logUrlPath, sessionLogPath } from '@holdfast/sessions-streams';
import { SessionLogs } from '../log/session-logs.js';

/**
 * The operation of the log that OpenAPI can describe. The direct lane (`log/log-routes.ts`) takes its requests before
 * they come here; it is the same handler.
 */
@ApiTags('session-log')
@Controller('v1/stream')
export class SessionLogController {
  constructor(private readonly logs: SessionLogs) {}

  /** Reads a session's log from an offset; with `live`, goes on with what comes. */
  @Get('sessions/:session_id/events')
  @Permit('VIEW_SESSIONS')
  @OfSession({ params: 'session_id' })
  @ApiParam({ name: 'session_id', description: 'The session.' })
  @ApiQuery({
    name: 'offset',
    required: false,
    description: '`-1` (start), `now` (end) or an offset of an earlier answer. Required with `live`.',
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
  @ApiProblems(
    StreamNotFound,
    OffsetMalformed,
    OffsetBeyondTail,
    OffsetGone,
    LiveModeUnknown,
    LiveOffsetMissing,
    TooManyViewers,
  )
  async readSessionLog(@Req() request: FastifyRequest, @Res() reply: FastifyReply): Promise<void> {
    const { raw, method } = request;
    const { session_id } = request.params as { session_id: string };
    const path = logUrlPath(sessionLogPath(encodeURIComponent(session_id)));
    const search = request.url.split('?')[1] ?? '';
    const { GET } = this.logs.sessionLog.methods;
    const admit = admission(GET!, path);
    const principal = principalOf(request);
    await admit(principal);
    void reply.hijack();
    await this.logs.readSessionLog({ raw, method, path, search, principal, admit }, reply.raw);
  }
}
