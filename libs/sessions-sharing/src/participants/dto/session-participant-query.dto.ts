import { ApiProperty, ApiPropertyOptional } from '@nestjs/swagger';
import { IsBoolean } from 'class-validator';
import { MayBeAbsent, PageQuery } from '@holdfast/platform-http';
import { IsSessionId } from '@holdfast/platform-postgres';
import { SessionParticipant } from './session-participant.dto.js';

/** Which participants are asked for. */
export class SessionParticipantQuery extends PageQuery {
  @ApiProperty({ description: 'The session that they joined.' })
  @IsSessionId()
  session_id!: string;

  @ApiPropertyOptional({ default: false, description: 'Also those who left or moved on to another session.' })
  @MayBeAbsent()
  @IsBoolean()
  include_left: boolean = false;
}

/** Participants in the order of joining. */
export class SessionParticipantPage {
  @ApiProperty({ type: [SessionParticipant], description: 'The participants of this page.' })
  data!: SessionParticipant[];

  @ApiProperty({ type: String, nullable: true, description: 'Cursor of the next page; null on the last one.' })
  next_cursor!: string | null;
}
