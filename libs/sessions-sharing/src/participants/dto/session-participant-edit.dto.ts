import { ApiProperty, ApiPropertyOptional } from '@nestjs/swagger';
import { Type } from 'class-transformer';
import { IsOptional, IsString, IsUUID, MaxLength, ValidateNested } from 'class-validator';
import { LowerCase, MayBeAbsent } from '@holdfast/platform-http';
import { MAX_NAME } from './session-join.dto.js';
import { SessionSelection } from './session-participant.dto.js';

/** What a participant changes of itself. Nothing named: it is only heard of. */
export class SessionParticipantEdit {
  @ApiProperty({ format: 'uuid', description: 'The caller itself.' })
  @IsUUID()
  @LowerCase()
  participant_id!: string;

  @ApiPropertyOptional({ maxLength: MAX_NAME, description: 'What others are to call it.' })
  @MayBeAbsent()
  @IsString()
  @MaxLength(MAX_NAME)
  name?: string;

  @ApiPropertyOptional({ type: SessionSelection, nullable: true, description: 'What it points at; null for nothing.' })
  @IsOptional()
  @ValidateNested()
  @Type(() => SessionSelection)
  selection?: SessionSelection | null;
}

/** Who goes. */
export class SessionParticipantLeave {
  @ApiProperty({ format: 'uuid', description: 'The caller itself.' })
  @IsUUID()
  @LowerCase()
  participant_id!: string;
}
