import { Body, Controller, Get, HttpCode, HttpStatus, Param, Post, Req, Res } from '@nestjs/common';
import { ApiAcceptedResponse, ApiOkResponse, ApiTags } from '@nestjs/swagger';
import type { FastifyReply, FastifyRequest } from 'fastify';
import { AgentNotFound, AgentRevisionNotFound, ApprovalBypassNotAllowed } from '@holdfast/agents';
import { TooManyViewers } from '@holdfast/durable-streams';
import {
  CurrentPrincipal,
  OfSession,
  OfSessionByHandler,
  Permit,
  SessionAccess,
  type Principal,
} from '@holdfast/platform-auth';
import { ApiProblems, CursorMalformed, Draining, IdempotencyKey } from '@holdfast/platform-http';
import { IdempotencyKeyReused, SessionNotFound, type SessionKey } from '@holdfast/platform-postgres';
import { AwaitStartFlow, DetachWatcherFlow, InvokeSessionFlow, KillSessionFlow } from '@holdfast/sessions';
import { SessionArchived, SessionPath } from '@holdfast/sessions-directory';
import { ShareAgentFixed } from '@holdfast/sessions-sharing';
import {
  commandOf,
  InboxFull,
  NoLiveTurn,
  NoLocalRunner,
  NotStarted,
  ProjectAtCapacity,
  SessionInUse,
  SessionLiveness,
  SessionNotLocal,
  SessionStream,
  SessionStreamDetach,
  SessionStreamDetached,
  SessionStreamInvoke,
  SessionStreamInvoked,
  SessionStreamKill,
  SessionStreamKilled,
  SessionStreamPage,
  SessionStreamQuery,
  SessionStreamsReader,
  SessionTurn,
  SessionTurnPage,
  SessionTurnPath,
  SessionTurnQuery,
  TurnInInbox,
  TurnNotFound,
  type InvokedTurn,
} from '@holdfast/sessions-streams';
import { openRequest } from '../log/open-request.js';
import { requireViewOfTurns, TurnViews } from '../log/turn-views.js';

const EXAMPLE = `event: invoked
data:{"mode":"send","session_id":"s-1","turn_id":"0190b0e0-0000-7000-8000-000000000000","status":"queued"}

event: data
data:[{"type":"turn.queued","turn_id":"0190b0e0-0000-7000-8000-000000000000","data":{"prompt":"Hi"}}]

event: control
data:{"streamNextOffset":"0000000000000007_0000000000000042","upToDate":true}
`;

@ApiTags('session-streams')
@Controller('v1/sessions/streams')
export class SessionStreamsController {
  constructor(
    private readonly invokeFlow: InvokeSessionFlow,
    private readonly awaitStart: AwaitStartFlow,
    private readonly killFlow: KillSessionFlow,
    private readonly detachFlow: DetachWatcherFlow,
    private readonly reader: SessionStreamsReader,
    private readonly turnViews: TurnViews,
    private readonly access: SessionAccess,
    private readonly draining: Draining,
  ) {}

  /**
   * Sends, steers, cancels or attaches (docs/reference/turns.md). A cancel, and whatever is detached, is answered with the
   * state of the turn; otherwise the answer is its events, which takes VIEW_SESSIONS
   * too, and closing the connection changes nothing for the turn.
   */
  @Post('invoke')
  @HttpCode(HttpStatus.ACCEPTED)
  @Permit('RUN_SESSIONS')
  @OfSession({ body: 'session_id' })
  @ApiAcceptedResponse({
    type: SessionStreamInvoked,
    description: 'The command is taken; `status` says how far the turn is.',
  })
  @ApiOkResponse({
    description:
      'Not detached: Server-Sent Events. `invoked` carries what the command did, as a SessionStreamInvoked; `data` and ' +
      '`control` the events of the turn with the offset after them, as the log has them; `displaced` says that another ' +
      'watcher came. It ends after the last event of the turn.',
    content: { 'text/event-stream': { schema: { type: 'string' }, example: EXAMPLE } },
  })
  @ApiProblems(
    SessionArchived,
    SessionInUse,
    SessionNotLocal,
    NoLocalRunner,
    NoLiveTurn,
    TurnInInbox,
    SessionNotFound,
    TurnNotFound,
    AgentNotFound,
    AgentRevisionNotFound,
    ApprovalBypassNotAllowed,
    IdempotencyKeyReused,
    ShareAgentFixed,
    ProjectAtCapacity,
    InboxFull,
    NotStarted,
    TooManyViewers,
  )
  async invokeSessionStream(
    @CurrentPrincipal() principal: Principal,
    @Body() invoke: SessionStreamInvoke,
    @IdempotencyKey() key: string | undefined,
    @Req() request: FastifyRequest,
    @Res() reply: FastifyReply,
  ): Promise<void> {
    const session = { project_id: principal.project_id, session_id: invoke.session_id };
    const run = () => this.invokeFlow.run(principal, invoke, key);
    if (invoke.detached || commandOf(invoke) === 'cancel') {
      await reply.send(await this.stateOf(session, await run(), invoke, request));
    } else {
      requireViewOfTurns(principal);
      await this.turnViews.serve(request, reply, session, async () => {
        const invoked = await run();
        return { invoked: await this.reader.fetchInvoked(session, invoked), connection: invoked.connection };
      });
    }
  }

  private async stateOf(
    session: SessionKey,
    invoked: InvokedTurn,
    invoke: SessionStreamInvoke,
    request: FastifyRequest,
  ): Promise<SessionStreamInvoked> {
    const waiting = openRequest(request.raw, this.draining);
    try {
      return await this.awaitStart.run(session, invoked, invoke, waiting.signal);
    } finally {
      waiting.done();
    }
  }

  /** Leaves a turn that one watches. It runs on; one that was displaced changes nothing. */
  @Post('detach')
  @HttpCode(HttpStatus.OK)
  @Permit('RUN_SESSIONS')
  @OfSession({ body: 'session_id' })
  @ApiOkResponse({ type: SessionStreamDetached, description: 'Nobody watches under this name any more.' })
  @ApiProblems(SessionNotFound)
  async detachSessionStream(
    @CurrentPrincipal() { project_id }: Principal,
    @Body() { session_id, watcher_id }: SessionStreamDetach,
  ): Promise<SessionStreamDetached> {
    return { session_id, was_watching: await this.detachFlow.run({ project_id, session_id }, watcher_id) };
  }

  /**
   * Ends the live turn at once and withdraws what waits, whether a runner answers or not; its sandbox is torn down. The
   * session stays, and a prompt starts it again. Again changes nothing.
   */
  @Post('kill')
  @HttpCode(HttpStatus.OK)
  @Permit('RUN_SESSIONS')
  @OfSession({ body: 'session_id', role: 'full' })
  @ApiOkResponse({ type: SessionStreamKilled, description: 'What was ended.' })
  @ApiProblems(SessionNotFound)
  killSessionStream(
    @CurrentPrincipal() principal: Principal,
    @Body() { session_id }: SessionStreamKill,
  ): Promise<SessionStreamKilled> {
    return this.killFlow.run(principal, session_id);
  }

  /** Streams of the project with their live facts, by session id. */
  @Post('query')
  @HttpCode(HttpStatus.OK)
  @Permit('VIEW_SESSIONS')
  @OfSessionByHandler()
  @ApiOkResponse({ type: SessionStreamPage, description: 'A page of streams.' })
  @ApiProblems(CursorMalformed)
  querySessionStreams(
    @CurrentPrincipal() principal: Principal,
    @Body() query: SessionStreamQuery,
  ): Promise<SessionStreamPage> {
    return this.reader.queryStreams(principal.project_id, query, this.access.filter(principal));
  }

  /** Turns of a session that went in line, newest first. What waits is in its inbox. */
  @Post('turns/query')
  @HttpCode(HttpStatus.OK)
  @Permit('VIEW_SESSIONS')
  @OfSession({ body: 'session_id' })
  @ApiOkResponse({ type: SessionTurnPage, description: 'A page of turns.' })
  @ApiProblems(SessionNotFound, CursorMalformed)
  querySessionTurns(
    @CurrentPrincipal() { project_id }: Principal,
    @Body() query: SessionTurnQuery,
  ): Promise<SessionTurnPage> {
    return this.reader.queryTurns(project_id, query);
  }

  /** A turn, also one that waits in the inbox. */
  @Get('turns/:turn_id')
  @Permit('VIEW_SESSIONS')
  @OfSessionByHandler()
  @ApiOkResponse({ type: SessionTurn, description: 'The turn.' })
  @ApiProblems(TurnNotFound)
  async fetchSessionTurn(
    @CurrentPrincipal() principal: Principal,
    @Param() { turn_id }: SessionTurnPath,
  ): Promise<SessionTurn> {
    const turn = await this.reader.fetchTurn(principal.project_id, turn_id);
    const reached = await this.access.reached(principal, [turn.session_id]);
    if (!reached.has(turn.session_id)) throw TurnNotFound({ turn_id });
    return turn;
  }

  /** Who runs the session now, and where its log is. */
  @Get(':session_id')
  @Permit('VIEW_SESSIONS')
  @OfSession({ params: 'session_id' })
  @ApiOkResponse({ type: SessionStream, description: 'The stream.' })
  @ApiProblems(SessionNotFound)
  fetchSessionStream(
    @CurrentPrincipal() { project_id }: Principal,
    @Param() { session_id }: SessionPath,
  ): Promise<SessionStream> {
    return this.reader.fetchStream({ project_id, session_id });
  }

  /** Whether somebody runs the session now. */
  @Get(':session_id/liveness')
  @Permit('VIEW_SESSIONS')
  @OfSession({ params: 'session_id' })
  @ApiOkResponse({ type: SessionLiveness, description: 'What is true at this moment.' })
  @ApiProblems(SessionNotFound)
  fetchSessionLiveness(
    @CurrentPrincipal() { project_id }: Principal,
    @Param() { session_id }: SessionPath,
  ): Promise<SessionLiveness> {
    return this.reader.fetchLiveness({ project_id, session_id });
  }
}
