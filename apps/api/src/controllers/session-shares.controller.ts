import { Body, Controller, Get, HttpCode, HttpStatus, Param, Patch, Post, Req } from '@nestjs/common';
import { ApiCreatedResponse, ApiOkResponse, ApiTags } from '@nestjs/swagger';
import type { FastifyRequest } from 'fastify';
import { CurrentPrincipal, OfSession, OfSessionByHandler, Permit, type Principal } from '@holdfast/platform-auth';
import { ApiProblems, CursorMalformed, IdempotencyKey } from '@holdfast/platform-http';
import { IdempotencyKeyReused, SessionNotFound } from '@holdfast/platform-postgres';
import {
  SessionOpeningPage,
  SessionOpeningQuery,
  SessionShare,
  SessionShareCreate,
  SessionShareCreated,
  SessionShareEdit,
  SessionSharePage,
  SessionSharePath,
  SessionShareQuery,
  SessionShareRevoke,
  SessionShareRotate,
  ShareExceeded,
  ShareInvalid,
  ShareNotFound,
  ShareOver,
  SharesReader,
  SharesService,
  TaskNotFound,
  type SharedByToken,
} from '@holdfast/sessions-sharing';
import { PublicUrl } from '../log/public-url.js';

/** Who may look in without a key of the project (docs/reference/shares.md). */
@ApiTags('session-shares')
@Controller('v1/sessions/shares')
export class SessionSharesController {
  constructor(
    private readonly service: SharesService,
    private readonly reader: SharesReader,
    private readonly publicUrl: PublicUrl,
  ) {}

  /**
   * Shares a session, or a task with whichever session it has; alone, or with all that descend from it. Repeated under its
   * Idempotency-Key: the same share with another token, and the one before opens nothing any more.
   */
  @Post()
  @HttpCode(HttpStatus.CREATED)
  @Permit('EDIT_SESSIONS')
  @OfSessionByHandler()
  @ApiCreatedResponse({ type: SessionShareCreated, description: 'Shared. The token is shown this once.' })
  @ApiProblems(
    SessionNotFound,
    TaskNotFound,
    ShareInvalid,
    ShareExceeded,
    ShareNotFound,
    ShareOver,
    IdempotencyKeyReused,
  )
  async createSessionShare(
    @CurrentPrincipal() principal: Principal,
    @Body() create: SessionShareCreate,
    @IdempotencyKey() key: string | undefined,
    @Req() request: FastifyRequest,
  ): Promise<SessionShareCreated> {
    return this.withLink(await this.service.create(principal, create, key), request);
  }

  /** Shares of a session, of a task or of the project, newest first. Through a share: those that were made through it. */
  @Post('query')
  @HttpCode(HttpStatus.OK)
  @Permit('EDIT_SESSIONS')
  @OfSessionByHandler()
  @ApiOkResponse({ type: SessionSharePage, description: 'A page of shares.' })
  @ApiProblems(CursorMalformed)
  querySessionShares(
    @CurrentPrincipal() principal: Principal,
    @Body() query: SessionShareQuery,
  ): Promise<SessionSharePage> {
    return this.reader.query(principal, query);
  }

  /** Live shares through which a session is open, its own and those of sessions above it. */
  @Post('openings/query')
  @HttpCode(HttpStatus.OK)
  @Permit('VIEW_SESSIONS')
  @OfSession({ body: 'session_id' })
  @ApiOkResponse({ type: SessionOpeningPage, description: 'A page of openings.' })
  @ApiProblems(SessionNotFound, CursorMalformed)
  querySessionOpenings(
    @CurrentPrincipal() principal: Principal,
    @Body() query: SessionOpeningQuery,
  ): Promise<SessionOpeningPage> {
    return this.reader.queryOpenings(principal, query);
  }

  /** Ends a share: what it opened is closed at once, and nothing else. Again changes nothing. */
  @Post('revoke')
  @HttpCode(HttpStatus.OK)
  @Permit('EDIT_SESSIONS')
  @OfSessionByHandler()
  @ApiOkResponse({ type: SessionShare, description: 'The share, ended.' })
  @ApiProblems(ShareNotFound)
  revokeSessionShare(
    @CurrentPrincipal() principal: Principal,
    @Body() revoke: SessionShareRevoke,
  ): Promise<SessionShare> {
    return this.service.revoke(principal, revoke);
  }

  /** Gives a share another token: the old one, those who joined with it and what they shared on are cut off. */
  @Post('rotate')
  @HttpCode(HttpStatus.OK)
  @Permit('EDIT_SESSIONS')
  @OfSessionByHandler()
  @ApiOkResponse({ type: SessionShareCreated, description: 'The share with its new token, shown this once.' })
  @ApiProblems(ShareNotFound, ShareOver)
  async rotateSessionShare(
    @CurrentPrincipal() principal: Principal,
    @Body() { share_id }: SessionShareRotate,
    @Req() request: FastifyRequest,
  ): Promise<SessionShareCreated> {
    return this.withLink(await this.service.rotate(principal, share_id), request);
  }

  /** A share, also one that has ended. */
  @Get(':share_id')
  @Permit('EDIT_SESSIONS')
  @OfSessionByHandler()
  @ApiOkResponse({ type: SessionShare, description: 'The share.' })
  @ApiProblems(ShareNotFound)
  fetchSessionShare(
    @CurrentPrincipal() principal: Principal,
    @Param() { share_id }: SessionSharePath,
  ): Promise<SessionShare> {
    return this.reader.fetch(principal, share_id);
  }

  /** Changes what the body names. Another role counts at once, also for those who joined. */
  @Patch(':share_id')
  @Permit('EDIT_SESSIONS')
  @OfSessionByHandler()
  @ApiOkResponse({ type: SessionShare, description: 'The share as it is then.' })
  @ApiProblems(ShareNotFound, ShareOver, ShareInvalid, ShareExceeded)
  editSessionShare(
    @CurrentPrincipal() principal: Principal,
    @Param() { share_id }: SessionSharePath,
    @Body() edit: SessionShareEdit,
  ): Promise<SessionShare> {
    return this.service.edit(principal, share_id, edit);
  }

  /** The token is the fragment, which no browser sends to a server, nor as a referrer. */
  private withLink({ share, token }: SharedByToken, { raw }: FastifyRequest): SessionShareCreated {
    return { share, token, link: `${this.publicUrl.baseFor(raw)}/s/${share.share_id}#${token}` };
  }
}
