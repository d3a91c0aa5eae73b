import { ApiProperty, ApiPropertyOptional } from '@nestjs/swagger';
import { ArrayMaxSize, IsIn } from 'class-validator';
import { MayBeAbsent, PageQuery } from '@holdfast/platform-http';
import { IsSessionId } from '@holdfast/platform-postgres';
import { SESSION_STATUSES, SessionStream, type SessionStatus } from './session-stream.dto.js';

/** Most sessions that one query names. */
const MAX_SESSIONS = 200;

export class SessionStreamQuery extends PageQuery {
  @ApiPropertyOptional({
    enum: SESSION_STATUSES,
    enumName: 'SessionStreamStatus',
    isArray: true,
    description: 'Only sessions in one of these; none of them matches nothing.',
  })
  @MayBeAbsent()
  @ArrayMaxSize(SESSION_STATUSES.length, { message: '$property must be a list of at most $constraint1 statuses' })
  @IsIn(SESSION_STATUSES, { each: true })
  status?: SessionStatus[];

  @ApiPropertyOptional({
    type: [String],
    maxItems: MAX_SESSIONS,
    description: 'Only these sessions; none of them matches nothing. An unknown one is left out.',
  })
  @MayBeAbsent()
  @ArrayMaxSize(MAX_SESSIONS, { message: '$property must be a list of at most $constraint1 session ids' })
  @IsSessionId({ each: true })
  session_ids?: string[];
}

/** Streams by session id. */
export class SessionStreamPage {
  @ApiProperty({ type: [SessionStream], description: 'The streams of this page.' })
  data!: SessionStream[];

  @ApiProperty({ type: String, nullable: true, description: 'Cursor of the next page; null on the last one.' })
  next_cursor!: string | null;
}
