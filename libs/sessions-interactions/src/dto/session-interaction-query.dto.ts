import { ApiProperty, ApiPropertyOptional } from '@nestjs/swagger';
import { IsIn, IsOptional, IsUUID } from 'class-validator';
import { PageQuery } from '@holdfast/platform-http';
import { IsSessionId } from '@holdfast/platform-postgres';
import { INTERACTION_STATUSES, type InteractionStatus } from '../session-interaction.rules.js';
import { SessionInteraction } from './session-interaction.dto.js';

/** Which of the project's interactions are asked for. */
export class SessionInteractionQuery extends PageQuery {
  @ApiPropertyOptional({ description: 'Only those of this session.' })
  @IsOptional()
  @IsSessionId()
  session_id?: string;

  @ApiPropertyOptional({ format: 'uuid', description: 'Only those of this turn.' })
  @IsOptional()
  @IsUUID()
  turn_id?: string;

  @ApiPropertyOptional({
    enum: INTERACTION_STATUSES,
    enumName: 'SessionInteractionStatus',
    description: 'Only those in this status; `pending` are the ones that wait for an answer.',
  })
  @IsOptional()
  @IsIn(INTERACTION_STATUSES)
  status?: InteractionStatus;
}

/** Interactions, newest first. */
export class SessionInteractionPage {
  @ApiProperty({ type: [SessionInteraction], description: 'The interactions of this page.' })
  data!: SessionInteraction[];

  @ApiProperty({ type: String, nullable: true, description: 'Cursor of the next page; null on the last one.' })
  next_cursor!: string | null;
}
