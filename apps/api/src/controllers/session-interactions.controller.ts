import { Body, Controller, Get, HttpCode, HttpStatus, Param, Post } from '@nestjs/common';
import { ApiOkResponse, ApiTags } from '@nestjs/swagger';
import { CurrentPrincipal, Permit, type Principal } from '@holdfast/platform-auth';
import { ApiProblems, CursorMalformed, IdempotencyKey } from '@holdfast/platform-http';
import { IdempotencyKeyReused } from '@holdfast/platform-postgres';
import {
  DecisionNotOffered,
  InteractionAlreadyAnswered,
  InteractionClosed,
  InteractionNotFound,
  SessionInteraction,
  SessionInteractionPage,
  SessionInteractionPath,
  SessionInteractionQuery,
  SessionInteractionRespond,
  SessionInteractionsReader,
  SessionInteractionsService,
} from '@holdfast/sessions-interactions';

@ApiTags('session-interactions')
@Controller('v1/sessions/interactions')
export class SessionInteractionsController {
  constructor(
    private readonly service: SessionInteractionsService,
    private readonly reader: SessionInteractionsReader,
  ) {}

  /** Questions of a session, of a turn or of the project, newest first. */
  @Post('query')
  @HttpCode(HttpStatus.OK)
  @Permit('VIEW_SESSIONS')
  @ApiOkResponse({ type: SessionInteractionPage, description: 'A page of interactions.' })
  @ApiProblems(CursorMalformed)
  querySessionInteractions(
    @CurrentPrincipal() { project_id }: Principal,
    @Body() query: SessionInteractionQuery,
  ): Promise<SessionInteractionPage> {
    return this.reader.query(project_id, query);
  }

  @Get(':interaction_id')
  @Permit('VIEW_SESSIONS')
  @ApiOkResponse({ type: SessionInteraction, description: 'The interaction.' })
  @ApiProblems(InteractionNotFound)
  fetchSessionInteraction(
    @CurrentPrincipal() { project_id }: Principal,
    @Param() { interaction_id }: SessionInteractionPath,
  ): Promise<SessionInteraction> {
    return this.reader.fetch(project_id, interaction_id);
  }

  /** Answers a question. Of several who answer at once exactly one wins; the others are told who. */
  @Post(':interaction_id/respond')
  @HttpCode(HttpStatus.OK)
  @Permit('RESPOND_INTERACTIONS')
  @ApiOkResponse({ type: SessionInteraction, description: 'The answered interaction.' })
  @ApiProblems(
    InteractionNotFound,
    InteractionAlreadyAnswered,
    InteractionClosed,
    DecisionNotOffered,
    IdempotencyKeyReused,
  )
  respondSessionInteraction(
    @CurrentPrincipal() { project_id, key_id }: Principal,
    @Param() { interaction_id }: SessionInteractionPath,
    @Body() verdict: SessionInteractionRespond,
    @IdempotencyKey() key: string | undefined,
  ): Promise<SessionInteraction> {
    return this.service.respond(project_id, interaction_id, verdict, key_id, key);
  }
}
