import { Body, Controller, HttpCode, HttpStatus, Param, Post } from '@nestjs/common';
import { ApiOkResponse, ApiTags } from '@nestjs/swagger';
import { CredentialScope, CurrentPrincipal, requireTurnScope, TurnOnly, type Principal } from '@holdfast/platform-auth';
import { ApiProblems } from '@holdfast/platform-http';
import { StaleEpoch } from '@holdfast/platform-postgres';
import {
  InteractionClosed,
  InteractionNotAnswered,
  InteractionNotFound,
  InteractionRequestTooLarge,
  InteractionTokenTaken,
  SessionInteraction,
  SessionInteractionPath,
  SessionInteractionRaise,
  SessionInteractionResolve,
  SessionInteractionsService,
} from '@holdfast/sessions-interactions';
import { TurnNotFound, TurnNotLive } from '@holdfast/sessions-streams';

/** What the owner of a turn calls to put its agent's question to people. */
@ApiTags('session-runners')
@TurnOnly()
@Controller('v1/admin/sessions/interactions')
export class SessionQuestionsController {
  constructor(private readonly service: SessionInteractionsService) {}

  /** Raises a question. The same token again returns the same interaction. */
  @Post()
  @HttpCode(HttpStatus.OK)
  @ApiOkResponse({ type: SessionInteraction, description: 'The interaction.' })
  @ApiProblems(
    CredentialScope,
    StaleEpoch,
    TurnNotFound,
    TurnNotLive,
    InteractionTokenTaken,
    InteractionRequestTooLarge,
  )
  raiseSessionInteraction(
    @CurrentPrincipal() principal: Principal,
    @Body() { session_id, turn_id, epoch, ...question }: SessionInteractionRaise,
  ): Promise<SessionInteraction> {
    requireTurnScope(principal, { session_id, turn_id, epoch });
    return this.service.raise({ project_id: principal.project_id, session_id, turn_id, epoch }, question);
  }

  /** Says that the agent has taken the answer. */
  @Post(':interaction_id/resolve')
  @HttpCode(HttpStatus.OK)
  @ApiOkResponse({ type: SessionInteraction, description: 'The resolved interaction.' })
  @ApiProblems(CredentialScope, StaleEpoch, InteractionNotFound, InteractionNotAnswered, InteractionClosed)
  resolveSessionInteraction(
    @CurrentPrincipal() principal: Principal,
    @Param() { interaction_id }: SessionInteractionPath,
    @Body() fence: SessionInteractionResolve,
  ): Promise<SessionInteraction> {
    requireTurnScope(principal, fence);
    return this.service.resolve({ project_id: principal.project_id, ...fence }, interaction_id);
  }
}
