import { Body, Controller, HttpCode, HttpStatus, Patch, Post } from '@nestjs/common';
import { ApiOkResponse, ApiTags } from '@nestjs/swagger';
import { CurrentPrincipal, OfSessionByHandler, Permit, ShareEnded, type Principal } from '@holdfast/platform-auth';
import { ApiProblems, CursorMalformed } from '@holdfast/platform-http';
import { SessionNotFound } from '@holdfast/platform-postgres';
import {
  JoinSession,
  ParticipantAway,
  ParticipantLimit,
  ParticipantNotFound,
  ParticipantsReader,
  ParticipantsService,
  RoleAboveOwn,
  RoleAlreadyHeld,
  RoleBeyondReach,
  RoleOfKey,
  RoleRequestNotFound,
  RoleRequestPending,
  RoleRequests,
  RoleRequestSettled,
  SelectionElsewhere,
  SelectionTooLarge,
  SessionJoin,
  SessionJoinCreate,
  SessionParticipant,
  SessionParticipantEdit,
  SessionParticipantLeave,
  SessionParticipantPage,
  SessionParticipantQuery,
  SessionRoleRequest,
  SessionRoleRequestAnswer,
  SessionRoleRequestCreate,
  SessionRoleRequestPage,
  SessionRoleRequestQuery,
  SessionRoleRequestWithdraw,
} from '@holdfast/sessions-sharing';

/** Who looks at a session, and what they may do there (docs/reference/participants.md). */
@ApiTags('session-participants')
@Controller('v1/sessions/participants')
export class SessionParticipantsController {
  constructor(
    private readonly joinService: JoinSession,
    private readonly service: ParticipantsService,
    private readonly requests: RoleRequests,
    private readonly reader: ParticipantsReader,
  ) {}

  /**
   * Comes to a session, with all that somebody who comes late needs in one answer. A link makes a new participant each
   * time and gives it a token of its own; with that token, or as the participant that a key names, somebody comes back,
   * or goes on to another session within reach.
   */
  @Post('join')
  @HttpCode(HttpStatus.OK)
  @Permit('VIEW_SESSIONS')
  @OfSessionByHandler()
  @ApiOkResponse({ type: SessionJoin, description: 'Joined. A token of a participant is shown this once.' })
  @ApiProblems(SessionNotFound, ShareEnded, ParticipantNotFound, ParticipantLimit)
  joinSession(@CurrentPrincipal() principal: Principal, @Body() create: SessionJoinCreate): Promise<SessionJoin> {
    return this.joinService.join(principal, create);
  }

  /** Who looks at a session, in the order of joining; with `include_left` also whoever did. */
  @Post('query')
  @HttpCode(HttpStatus.OK)
  @Permit('VIEW_SESSIONS')
  @OfSessionByHandler()
  @ApiOkResponse({ type: SessionParticipantPage, description: 'A page of participants.' })
  @ApiProblems(SessionNotFound, CursorMalformed)
  querySessionParticipants(
    @CurrentPrincipal() principal: Principal,
    @Body() query: SessionParticipantQuery,
  ): Promise<SessionParticipantPage> {
    return this.reader.query(principal, query);
  }

  /** Changes the caller's own name or selection, and nobody else's. What is as before is told to nobody. */
  @Patch('self')
  @Permit('VIEW_SESSIONS')
  @OfSessionByHandler()
  @ApiOkResponse({ type: SessionParticipant, description: 'The participant as it is then.' })
  @ApiProblems(ParticipantNotFound, ParticipantAway, SelectionTooLarge, SelectionElsewhere)
  editSessionParticipant(
    @CurrentPrincipal() principal: Principal,
    @Body() edit: SessionParticipantEdit,
  ): Promise<SessionParticipant> {
    return this.service.edit(principal, edit);
  }

  /** Goes. Its token still lets it join again. Again changes nothing. */
  @Post('leave')
  @HttpCode(HttpStatus.OK)
  @Permit('VIEW_SESSIONS')
  @OfSessionByHandler()
  @ApiOkResponse({ type: SessionParticipant, description: 'The participant, gone.' })
  @ApiProblems(ParticipantNotFound)
  leaveSession(
    @CurrentPrincipal() principal: Principal,
    @Body() { participant_id }: SessionParticipantLeave,
  ): Promise<SessionParticipant> {
    return this.service.leave(principal, participant_id);
  }

  /** Asks to do more than the share lets everybody do. One at a time; the same again is the same request. */
  @Post('role-requests')
  @HttpCode(HttpStatus.OK)
  @Permit('VIEW_SESSIONS')
  @OfSessionByHandler()
  @ApiOkResponse({ type: SessionRoleRequest, description: 'The request, pending.' })
  @ApiProblems(ParticipantNotFound, ParticipantAway, RoleOfKey, RoleAlreadyHeld, RoleRequestPending)
  requestSessionRole(
    @CurrentPrincipal() principal: Principal,
    @Body() create: SessionRoleRequestCreate,
  ): Promise<SessionRoleRequest> {
    return this.requests.request(principal, create);
  }

  /** Requests of those who look at a session, newest first. */
  @Post('role-requests/query')
  @HttpCode(HttpStatus.OK)
  @Permit('VIEW_SESSIONS')
  @OfSessionByHandler()
  @ApiOkResponse({ type: SessionRoleRequestPage, description: 'A page of requests.' })
  @ApiProblems(SessionNotFound, CursorMalformed)
  querySessionRoleRequests(
    @CurrentPrincipal() principal: Principal,
    @Body() query: SessionRoleRequestQuery,
  ): Promise<SessionRoleRequestPage> {
    return this.reader.queryRequests(principal, query);
  }

  /** Gives a role or denies it, once: of several who answer at the same time one wins. Nobody gives more than they have. */
  @Post('role-requests/answer')
  @HttpCode(HttpStatus.OK)
  @Permit('EDIT_SESSIONS')
  @OfSessionByHandler()
  @ApiOkResponse({ type: SessionRoleRequest, description: 'The request, answered.' })
  @ApiProblems(RoleRequestNotFound, RoleRequestSettled, RoleAboveOwn, RoleBeyondReach, RoleAlreadyHeld)
  answerSessionRoleRequest(
    @CurrentPrincipal() principal: Principal,
    @Body() answer: SessionRoleRequestAnswer,
  ): Promise<SessionRoleRequest> {
    return this.requests.answer(principal, answer);
  }

  /** Takes the caller's own request back. Again changes nothing. */
  @Post('role-requests/withdraw')
  @HttpCode(HttpStatus.OK)
  @Permit('VIEW_SESSIONS')
  @OfSessionByHandler()
  @ApiOkResponse({ type: SessionRoleRequest, description: 'The request, withdrawn.' })
  @ApiProblems(RoleRequestNotFound, RoleRequestSettled)
  withdrawSessionRoleRequest(
    @CurrentPrincipal() principal: Principal,
    @Body() { request_id }: SessionRoleRequestWithdraw,
  ): Promise<SessionRoleRequest> {
    return this.requests.withdraw(principal, request_id);
  }
}
