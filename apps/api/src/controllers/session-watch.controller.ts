import { Body, Controller, HttpCode, HttpStatus, Post, Req, Res } from '@nestjs/common';
import { ApiExtraModels, ApiOkResponse, ApiTags, getSchemaPath } from '@nestjs/swagger';
import type { FastifyReply, FastifyRequest } from 'fastify';
import { LogWatcher, TooManyViewers } from '@holdfast/durable-streams';
import { Permit, principalOf } from '@holdfast/platform-auth';
import { ApiProblems } from '@holdfast/platform-http';
import {
  sessionLogKey,
  SessionStreamEvents,
  SessionStreamProblem,
  SessionStreamWatch,
} from '@holdfast/sessions-streams';
import { LiveViews } from '../log/live-views.js';
import { sessionWatchFrames } from '../log/session-watch-frames.js';
import { takeOver } from '../log/take-over.js';

const EXAMPLE = `event: data
data: {"session_id":"s-1","next_offset":"0000000000000007_0000000000000042","up_to_date":true,"events":[{"type":"turn.queued"}]}

event: problem
data: {"session_id":"s-2","problem":{"code":"session_not_found","status":404}}
`;

/** Many logs on one connection (docs/reference/watch.md). Of the log, not of the streams: no generated client reads SSE. */
@ApiTags('session-log')
@Controller('v1/sessions/streams')
export class SessionWatchController {
  constructor(
    private readonly watcher: LogWatcher,
    private readonly views: LiveViews,
  ) {}

  /**
   * Follows the logs of many sessions on one connection: for each, what comes after its offset, then what is appended. A
   * session that cannot be watched is told as an event, and the others go on.
   */
  @Post('watch')
  @HttpCode(HttpStatus.OK)
  @Permit('VIEW_SESSIONS')
  @ApiExtraModels(SessionStreamEvents, SessionStreamProblem)
  @ApiOkResponse({
    description:
      'Server-Sent Events. `data` carries messages of one session with the offset after them; `problem` says why a ' +
      'session is not watched (any more): `session_not_found`, `offset_gone`, `offset_beyond_tail`. Comments keep the ' +
      'connection alive. It ends after about a minute: watch again, with the last `next_offset` of each session.',
    content: {
      'text/event-stream': {
        schema: {
          type: 'string',
          ...{
            'x-events': {
              data: { $ref: getSchemaPath(SessionStreamEvents) },
              problem: { $ref: getSchemaPath(SessionStreamProblem) },
            },
          },
        },
        example: EXAMPLE,
      },
    },
  })
  @ApiProblems(TooManyViewers)
  watchSessionStreams(
    @Req() request: FastifyRequest,
    @Res() reply: FastifyReply,
    @Body() { sessions }: SessionStreamWatch,
  ): Promise<void> {
    const { project_id } = principalOf(request);
    const wanted = sessions.map(({ session_id, offset }) => ({
      key: sessionLogKey({ project_id, session_id }),
      offset,
    }));
    return this.views.serve(request.raw, reply.raw, (view, stream) =>
      this.watcher.watch(wanted, view, sessionWatchFrames(request.id), () => {
        takeOver(reply);
        return stream.start({});
      }),
    );
  }
}
