import { Body, Controller, HttpCode, HttpStatus, Post } from '@nestjs/common';
import { ApiOkResponse, ApiTags } from '@nestjs/swagger';
import { CurrentPrincipal, OfSession, Permit, type Principal } from '@holdfast/platform-auth';
import { ApiProblems, CursorMalformed } from '@holdfast/platform-http';
import { SessionNotFound } from '@holdfast/platform-postgres';
import { SessionInboxFlow } from '@holdfast/sessions';
import {
  InboxChanged,
  NotInInbox,
  SessionInbox,
  SessionInboxPage,
  SessionInboxQuery,
  SessionInboxReorder,
  SessionInboxWithdraw,
  SessionStreamsReader,
  SessionTurn,
  toSessionTurn,
  TurnNotFound,
} from '@holdfast/sessions-streams';

/** The prompts that wait for the turn before them. */
@ApiTags('session-streams')
@Controller('v1/sessions/streams/inbox')
export class SessionInboxController {
  constructor(
    private readonly inboxFlow: SessionInboxFlow,
    private readonly reader: SessionStreamsReader,
  ) {}

  /** What waits in a session, the next one first. */
  @Post('query')
  @HttpCode(HttpStatus.OK)
  @Permit('VIEW_SESSIONS')
  @OfSession({ body: 'session_id' })
  @ApiOkResponse({ type: SessionInboxPage, description: 'A page of turns that wait.' })
  @ApiProblems(SessionNotFound, CursorMalformed)
  querySessionInbox(
    @CurrentPrincipal() { project_id }: Principal,
    @Body() query: SessionInboxQuery,
  ): Promise<SessionInboxPage> {
    return this.reader.queryInbox(project_id, query);
  }

  /** Gives what waits another order. It must be named completely, or the present order is answered with 409. */
  @Post('reorder')
  @HttpCode(HttpStatus.OK)
  @Permit('RUN_SESSIONS')
  @OfSession({ body: 'session_id', role: 'full' })
  @ApiOkResponse({ type: SessionInbox, description: 'The new order.' })
  @ApiProblems(SessionNotFound, InboxChanged)
  async reorderSessionInbox(
    @CurrentPrincipal() { project_id }: Principal,
    @Body() { session_id, turn_ids }: SessionInboxReorder,
  ): Promise<SessionInbox> {
    await this.inboxFlow.reorder({ project_id, session_id }, turn_ids);
    return { session_id, turn_ids };
  }

  /**
   * Takes one prompt out: it ends `cancelled` and never runs. Again changes nothing. An executor who came through a share
   * takes out what is their own.
   */
  @Post('withdraw')
  @HttpCode(HttpStatus.OK)
  @Permit('RUN_SESSIONS')
  @OfSession({ body: 'session_id' })
  @ApiOkResponse({ type: SessionTurn, description: 'The turn that was withdrawn.' })
  @ApiProblems(SessionNotFound, TurnNotFound, NotInInbox)
  async withdrawSessionInbox(
    @CurrentPrincipal() principal: Principal,
    @Body() { session_id, turn_id }: SessionInboxWithdraw,
  ): Promise<SessionTurn> {
    return toSessionTurn(await this.inboxFlow.withdraw(principal, session_id, turn_id));
  }
}
