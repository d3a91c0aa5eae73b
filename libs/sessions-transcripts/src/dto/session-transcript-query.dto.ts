import { ApiProperty, ApiPropertyOptional } from '@nestjs/swagger';
import { PageQuery } from '@holdfast/platform-http';
import { IsSessionId } from '@holdfast/platform-postgres';
import { ArrayMaxSize, IsIn, IsOptional, IsUUID } from 'class-validator';
import { SESSION_RECORD_TYPES, type SessionRecordType } from './session-record.dto.js';

/** Which records of a session are asked for. */
export class SessionTranscriptQuery extends PageQuery {
  @ApiProperty({ description: 'The session whose records are wanted.' })
  @IsSessionId()
  session_id!: string;

  @ApiPropertyOptional({ description: 'Only records of this turn.', format: 'uuid' })
  @IsOptional()
  @IsUUID()
  turn_id?: string;

  @ApiPropertyOptional({ description: 'Only records of these types.', enum: SESSION_RECORD_TYPES, isArray: true })
  @IsOptional()
  @ArrayMaxSize(SESSION_RECORD_TYPES.length)
  @IsIn(SESSION_RECORD_TYPES, { each: true })
  types?: SessionRecordType[];
}
