import { Body, Controller, HttpCode, HttpStatus, Post } from '@nestjs/common';
import { ApiOkResponse, ApiTags } from '@nestjs/swagger';
import { CurrentPrincipal, OfSession, Permit, type Principal } from '@holdfast/platform-auth';
import { ApiProblems, CursorMalformed } from '@holdfast/platform-http';
import { SessionNotFound } from '@holdfast/platform-postgres';
import {
  SessionTranscriptPage,
  SessionTranscriptQuery,
  SessionsTranscriptsReader,
  TranscriptCursorGone,
} from '@holdfast/sessions-transcripts';

@ApiTags('session-transcripts')
@Controller('v1/sessions/transcripts')
export class SessionTranscriptsController {
  constructor(private readonly reader: SessionsTranscriptsReader) {}

  /** Records of a session, oldest first. `projected_offset` tells how far into the log they reach. */
  @Post('query')
  @HttpCode(HttpStatus.OK)
  @Permit('VIEW_SESSIONS')
  @OfSession({ body: 'session_id' })
  @ApiOkResponse({ type: SessionTranscriptPage, description: 'A page of records.' })
  @ApiProblems(SessionNotFound, TranscriptCursorGone, CursorMalformed)
  querySessionTranscripts(
    @CurrentPrincipal() { project_id }: Principal,
    @Body() query: SessionTranscriptQuery,
  ): Promise<SessionTranscriptPage> {
    return this.reader.query(project_id, query);
  }
}
