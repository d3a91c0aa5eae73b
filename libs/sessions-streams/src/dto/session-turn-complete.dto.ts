import { ApiProperty, ApiPropertyOptional } from '@nestjs/swagger';
import { Type } from 'class-transformer';
import {
  IsIn,
  IsInt,
  IsObject,
  IsOptional,
  IsString,
  IsUUID,
  Matches,
  Max,
  MaxLength,
  Min,
  ValidateNested,
} from 'class-validator';
import { AsSent, LowerCase } from '@holdfast/platform-http';
import { IsSessionId } from '@holdfast/platform-postgres';
import { SessionTurnError } from './session-turn.dto.js';

export class SessionTurnFailure extends SessionTurnError {
  @ApiProperty({ maxLength: 64, description: 'Stable code.' })
  @IsString()
  @Matches(/^[a-z][a-z0-9_]{0,63}$/)
  declare code: string;

  @ApiProperty({ maxLength: 4000, description: 'What happened, and what to do next.' })
  @IsString()
  @MaxLength(4000)
  declare message: string;
}

export class SessionTurnComplete {
  @ApiProperty({ description: 'Session that the turn belongs to.' })
  @IsSessionId()
  session_id!: string;

  @ApiProperty({ format: 'uuid', description: 'Turn that the runner was granted.' })
  @LowerCase()
  @IsUUID()
  turn_id!: string;

  @ApiProperty({ type: 'integer', description: 'Epoch of the grant.' })
  @IsInt()
  @Min(0)
  @Max(Number.MAX_SAFE_INTEGER)
  epoch!: number;

  @ApiProperty({
    enum: ['completed', 'failed', 'cancelled'],
    enumName: 'SessionTurnOutcome',
    description: 'How it ended.',
  })
  @IsIn(['completed', 'failed', 'cancelled'])
  status!: 'completed' | 'failed' | 'cancelled';

  @ApiPropertyOptional({ maxLength: 64, description: 'Why the agent stopped, in ACP words.' })
  @IsOptional()
  @IsString()
  @MaxLength(64)
  stop_reason?: string;

  @ApiPropertyOptional({ type: Object, additionalProperties: true, description: 'What the turn used.' })
  @IsOptional()
  @AsSent()
  @IsObject()
  usage?: object;

  @ApiPropertyOptional({ type: SessionTurnFailure, description: 'Why it failed.' })
  @IsOptional()
  @ValidateNested()
  @Type(() => SessionTurnFailure)
  error?: SessionTurnFailure;
}
