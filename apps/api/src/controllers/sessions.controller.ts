import { Body, Controller, Delete, Get, HttpCode, HttpStatus, Param, Post, Put, Res } from '@nestjs/common';
import { ApiCreatedResponse, ApiOkResponse, ApiTags } from '@nestjs/swagger';
import type { FastifyReply } from 'fastify';
import {
  CurrentPrincipal,
  OfSession,
  OfSessionByHandler,
  Permit,
  SessionAccess,
  type Principal,
} from '@holdfast/platform-auth';
import { ApiProblems, CursorMalformed, IdempotencyKey } from '@holdfast/platform-http';
import { IdempotencyKeyReused, SessionNotFound } from '@holdfast/platform-postgres';
import { ArchiveSessionFlow, CreateSessionFlow, DeleteSessionFlow } from '@holdfast/sessions';
import {
  Session,
  SessionCreate,
  SessionDeleted,
  SessionPage,
  SessionPath,
  SessionQuery,
  SessionsDirectoryReader,
} from '@holdfast/sessions-directory';

@ApiTags('sessions')
@Controller('v1/sessions')
export class SessionsController {
  constructor(
    private readonly createFlow: CreateSessionFlow,
    private readonly archiveFlow: ArchiveSessionFlow,
    private readonly deleteFlow: DeleteSessionFlow,
    private readonly reader: SessionsDirectoryReader,
    private readonly access: SessionAccess,
  ) {}

  /** Makes a session under the caller's id. One that exists is returned as it is. */
  @Put(':session_id')
  @Permit('EDIT_SESSIONS')
  @OfSession({ params: 'session_id', role: 'never' })
  @ApiCreatedResponse({ type: Session, description: 'Made.' })
  @ApiOkResponse({ type: Session, description: 'It existed.' })
  @ApiProblems(SessionNotFound)
  async createSession(
    @CurrentPrincipal() principal: Principal,
    @Param() { session_id }: SessionPath,
    @Body() body: SessionCreate,
    @Res({ passthrough: true }) reply: FastifyReply,
  ): Promise<Session> {
    const { session, created } = await this.createFlow.run(
      { project_id: principal.project_id, session_id },
      body,
      principal.key_id,
    );
    // Somebody else may have made it, for themselves, since this request was let in.
    if (!created) await this.access.require(principal, session_id, 'full');
    void reply.status(created ? HttpStatus.CREATED : HttpStatus.OK);
    return session;
  }

  @Get(':session_id')
  @Permit('VIEW_SESSIONS')
  @OfSession({ params: 'session_id' })
  @ApiOkResponse({ type: Session, description: 'The session.' })
  @ApiProblems(SessionNotFound)
  fetchSession(@CurrentPrincipal() { project_id }: Principal, @Param() { session_id }: SessionPath): Promise<Session> {
    return this.reader.fetchSession({ project_id, session_id });
  }

  /**
   * Puts a session away (docs/reference/sessions.md): what it runs ends at once, what waits is withdrawn, its shares end.
   * It can be read, and takes no prompt until it is unarchived. Again changes nothing.
   */
  @Post(':session_id/archive')
  @HttpCode(HttpStatus.OK)
  @Permit('EDIT_SESSIONS')
  @OfSession({ params: 'session_id', role: 'never' })
  @ApiOkResponse({ type: Session, description: 'The session, archived.' })
  @ApiProblems(SessionNotFound)
  archiveSession(@CurrentPrincipal() principal: Principal, @Param() { session_id }: SessionPath): Promise<Session> {
    return this.archiveFlow.archive(principal, session_id);
  }

  /** Lets a session take prompts again. What was ended with it stays so. Again changes nothing. */
  @Post(':session_id/unarchive')
  @HttpCode(HttpStatus.OK)
  @Permit('EDIT_SESSIONS')
  @OfSession({ params: 'session_id', role: 'never' })
  @ApiOkResponse({ type: Session, description: 'The session, in use.' })
  @ApiProblems(SessionNotFound)
  unarchiveSession(@CurrentPrincipal() principal: Principal, @Param() { session_id }: SessionPath): Promise<Session> {
    return this.archiveFlow.unarchive(principal, session_id);
  }

  /**
   * Deletes a session with all that was ever kept of it (docs/reference/sessions.md). Its id may be used again, for another
   * session. Repeated under its Idempotency-Key it deletes nothing that was made since.
   */
  @Delete(':session_id')
  @Permit('EDIT_SESSIONS')
  @OfSession({ params: 'session_id', role: 'never' })
  @ApiOkResponse({ type: SessionDeleted, description: 'There is no such session any more.' })
  @ApiProblems(SessionNotFound, IdempotencyKeyReused)
  deleteSession(
    @CurrentPrincipal() principal: Principal,
    @Param() { session_id }: SessionPath,
    @IdempotencyKey() key: string | undefined,
  ): Promise<SessionDeleted> {
    return this.deleteFlow.run(principal, session_id, key);
  }

  /** Sessions that the caller reaches, newest first. */
  @Post('query')
  @HttpCode(HttpStatus.OK)
  @Permit('VIEW_SESSIONS')
  @OfSessionByHandler()
  @ApiOkResponse({ type: SessionPage, description: 'A page of sessions.' })
  @ApiProblems(CursorMalformed)
  querySessions(@CurrentPrincipal() principal: Principal, @Body() query: SessionQuery): Promise<SessionPage> {
    return this.reader.querySessions(principal.project_id, query, this.access.filter(principal));
  }
}
