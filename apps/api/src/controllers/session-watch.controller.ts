import { Body, Controller, HttpCode, HttpStatus, Post, Req, Res } from '@nestjs/common';
import { ApiExtraModels, ApiOkResponse, ApiTags, getSchemaPath } from '@nestjs/swagger';
import type { FastifyReply, FastifyRequest } from 'fastify';
import { LogWatcher, StreamNotFound, TooManyViewers } from '@holdfast/durable-streams';
import { OfSessionByHandler, Permit, principalOf } from '@holdfast/platform-auth';
import { ApiProblems } from '@holdfast/platform-http';
import { SessionStreamEvents, SessionStreamProblem, SessionStreamWatch } from '@holdfast/sessions-streams';
import { LiveViews } from '../log/live-views.js';
import { sessionWatchFrames } from '../log/session-watch-frames.js';
import { takeOver } from '../log/take-over.js';
import { WatchAccess } from '../log/watch-access.js';

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
    private readonly access: WatchAccess,
  ) {}

  /**
   * Follows the logs of many sessions, and the activity of tasks, on one connection: for each, what comes after its
   * offset, then what is appended. A log that cannot be watched is told as an event, and the others go on.
   */
  @Post('watch')
  @HttpCode(HttpStatus.OK)
  @Permit('VIEW_SESSIONS')
  @OfSessionByHandler()
  @ApiExtraModels(SessionStreamEvents, SessionStreamProblem)
  @ApiOkResponse({
    description:
      'Server-Sent Events. `data` carries messages of one log with the offset after them, `problem` says why a log is ' +
      'not watched (any more): `session_not_found`, `task_not_found`, `offset_gone`, `offset_beyond_tail`. Both name ' +
      'the `session_id`, or for the activity of a task its `task_id`. Comments keep the connection alive. It ends ' +
      'after about a minute: watch again, with the last `next_offset` of each log.',
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
  async watchSessionStreams(
    @Req() request: FastifyRequest,
    @Res() reply: FastifyReply,
    @Body() watch: SessionStreamWatch,
  ): Promise<void> {
    const { wanted, refused, grant } = await this.access.of(principalOf(request), request.headers, watch);
    const frames = sessionWatchFrames(request.id);
    await this.views.serve(request.raw, reply.raw, grant, (view, stream) =>
      this.watcher.watch(wanted, view, frames, () => {
        takeOver(reply);
        const sink = stream.start({});
        for (const { key } of refused) sink.write(frames.problem(key, StreamNotFound(key)));
        return sink;
      }),
    );
  }
}
