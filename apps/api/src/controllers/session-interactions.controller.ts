import { Body, Controller, Get, HttpCode, HttpStatus, Param, Post } from '@nestjs/common';
import { ApiOkResponse, ApiTags } from '@nestjs/swagger';
import { CurrentPrincipal, OfSessionByHandler, Permit, SessionAccess, type Principal } from '@holdfast/platform-auth';
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
    private readonly access: SessionAccess,
  ) {}

  /** Questions of a session, of a turn or of the project, newest first. */
  @Post('query')
  @HttpCode(HttpStatus.OK)
  @Permit('VIEW_SESSIONS')
  @OfSessionByHandler()
  @ApiOkResponse({ type: SessionInteractionPage, description: 'A page of interactions.' })
  @ApiProblems(CursorMalformed)
  querySessionInteractions(
    @CurrentPrincipal() principal: Principal,
    @Body() query: SessionInteractionQuery,
  ): Promise<SessionInteractionPage> {
    return this.reader.query(principal.project_id, query, this.access.filter(principal));
  }

  @Get(':interaction_id')
  @Permit('VIEW_SESSIONS')
  @OfSessionByHandler()
  @ApiOkResponse({ type: SessionInteraction, description: 'The interaction.' })
  @ApiProblems(InteractionNotFound)
  fetchSessionInteraction(
    @CurrentPrincipal() principal: Principal,
    @Param() { interaction_id }: SessionInteractionPath,
  ): Promise<SessionInteraction> {
    return this.reached(principal, interaction_id);
  }

  /** Answers a question. Of several who answer at once exactly one wins; the others are told who. */
  @Post(':interaction_id/respond')
  @HttpCode(HttpStatus.OK)
  @Permit('RESPOND_INTERACTIONS')
  @OfSessionByHandler()
  @ApiOkResponse({ type: SessionInteraction, description: 'The answered interaction.' })
  @ApiProblems(
    InteractionNotFound,
    InteractionAlreadyAnswered,
    InteractionClosed,
    DecisionNotOffered,
    IdempotencyKeyReused,
  )
  async respondSessionInteraction(
    @CurrentPrincipal() principal: Principal,
    @Param() { interaction_id }: SessionInteractionPath,
    @Body() verdict: SessionInteractionRespond,
    @IdempotencyKey() key: string | undefined,
  ): Promise<SessionInteraction> {
    await this.reached(principal, interaction_id);
    const { project_id, key_id } = principal;
    return this.service.respond(project_id, interaction_id, verdict, key_id, key);
  }

  /** One of a session out of reach is like none. */
  private async reached(principal: Principal, interaction_id: string): Promise<SessionInteraction> {
    const interaction = await this.reader.fetch(principal.project_id, interaction_id);
    const reached = await this.access.reached(principal, [interaction.session_id]);
    if (!reached.has(interaction.session_id)) throw InteractionNotFound({ interaction_id });
    return interaction;
  }
}
