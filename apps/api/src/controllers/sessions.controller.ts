import { Body, Controller, Get, HttpCode, HttpStatus, Param, Post, Put, Res } from '@nestjs/common';
import { ApiCreatedResponse, ApiOkResponse, ApiTags } from '@nestjs/swagger';
import type { FastifyReply } from 'fastify';
import { CurrentPrincipal, Permit, type Principal } from '@holdfast/platform-auth';
import { ApiProblems, CursorMalformed } from '@holdfast/platform-http';
import { SessionNotFound } from '@holdfast/platform-postgres';
import { CreateSessionFlow } from '@holdfast/sessions';
import {
  Session,
  SessionCreate,
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
    private readonly reader: SessionsDirectoryReader,
  ) {}

  /** Makes a session under the caller's id. One that exists is returned as it is. */
  @Put(':session_id')
  @Permit('EDIT_SESSIONS')
  @ApiCreatedResponse({ type: Session, description: 'Made.' })
  @ApiOkResponse({ type: Session, description: 'It existed.' })
  @ApiProblems()
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
    void reply.status(created ? HttpStatus.CREATED : HttpStatus.OK);
    return session;
  }

  @Get(':session_id')
  @Permit('VIEW_SESSIONS')
  @ApiOkResponse({ type: Session, description: 'The session.' })
  @ApiProblems(SessionNotFound)
  fetchSession(@CurrentPrincipal() { project_id }: Principal, @Param() { session_id }: SessionPath): Promise<Session> {
    return this.reader.fetchSession({ project_id, session_id });
  }

  /** Sessions of the project, newest first. */
  @Post('query')
  @HttpCode(HttpStatus.OK)
  @Permit('VIEW_SESSIONS')
  @ApiOkResponse({ type: SessionPage, description: 'A page of sessions.' })
  @ApiProblems(CursorMalformed)
  querySessions(@CurrentPrincipal() { project_id }: Principal, @Body() query: SessionQuery): Promise<SessionPage> {
    return this.reader.querySessions(project_id, query);
  }
}
