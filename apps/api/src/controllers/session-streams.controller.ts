import { Body, Controller, Get, HttpCode, HttpStatus, Param, Post } from '@nestjs/common';
import { ApiAcceptedResponse, ApiOkResponse, ApiTags } from '@nestjs/swagger';
import { AgentNotFound, AgentRevisionNotFound } from '@holdfast/agents';
import { CurrentPrincipal, Permit, type Principal } from '@holdfast/platform-auth';
import { ApiProblems, CursorMalformed, IdempotencyKey } from '@holdfast/platform-http';
import { IdempotencyKeyReused, SessionNotFound } from '@holdfast/platform-postgres';
import { InvokeSessionFlow } from '@holdfast/sessions';
import { SessionPath } from '@holdfast/sessions-directory';
import {
  NoLiveTurn,
  SessionInUse,
  SessionStream,
  SessionStreamInvoke,
  SessionStreamInvoked,
  SessionStreamsReader,
  SessionTurn,
  SessionTurnPage,
  SessionTurnPath,
  SessionTurnQuery,
  TurnNotFound,
} from '@holdfast/sessions-streams';

@ApiTags('session-streams')
@Controller('v1/sessions/streams')
export class SessionStreamsController {
  constructor(
    private readonly invokeFlow: InvokeSessionFlow,
    private readonly reader: SessionStreamsReader,
  ) {}

  /**
   * With a prompt: sends it as a new turn, and answers when the turn is in line. Follow the session's log to see it run.
   * Without a prompt: cancels the live turn; the session stays usable.
   */
  @Post('invoke')
  @HttpCode(HttpStatus.ACCEPTED)
  @Permit('RUN_SESSIONS')
  @ApiAcceptedResponse({ type: SessionStreamInvoked, description: 'The turn is in line, or is being stopped.' })
  @ApiProblems(SessionInUse, NoLiveTurn, SessionNotFound, AgentNotFound, AgentRevisionNotFound, IdempotencyKeyReused)
  invokeSessionStream(
    @CurrentPrincipal() principal: Principal,
    @Body() invoke: SessionStreamInvoke,
    @IdempotencyKey() key: string | undefined,
  ): Promise<SessionStreamInvoked> {
    return this.invokeFlow.run(principal, invoke, key);
  }

  /** Turns of a session, newest first. */
  @Post('turns/query')
  @HttpCode(HttpStatus.OK)
  @Permit('VIEW_SESSIONS')
  @ApiOkResponse({ type: SessionTurnPage, description: 'A page of turns.' })
  @ApiProblems(SessionNotFound, CursorMalformed)
  querySessionTurns(
    @CurrentPrincipal() { project_id }: Principal,
    @Body() query: SessionTurnQuery,
  ): Promise<SessionTurnPage> {
    return this.reader.queryTurns(project_id, query);
  }

  @Get('turns/:turn_id')
  @Permit('VIEW_SESSIONS')
  @ApiOkResponse({ type: SessionTurn, description: 'The turn.' })
  @ApiProblems(TurnNotFound)
  fetchSessionTurn(
    @CurrentPrincipal() { project_id }: Principal,
    @Param() { turn_id }: SessionTurnPath,
  ): Promise<SessionTurn> {
    return this.reader.fetchTurn(project_id, turn_id);
  }

  /** Who runs the session now, and where its log is. */
  @Get(':session_id')
  @Permit('VIEW_SESSIONS')
  @ApiOkResponse({ type: SessionStream, description: 'The stream.' })
  @ApiProblems(SessionNotFound)
  fetchSessionStream(
    @CurrentPrincipal() { project_id }: Principal,
    @Param() { session_id }: SessionPath,
  ): Promise<SessionStream> {
    return this.reader.fetchStream({ project_id, session_id });
  }
}
