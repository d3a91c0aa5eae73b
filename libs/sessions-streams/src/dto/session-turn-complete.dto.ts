import { ApiProperty, ApiPropertyOptional } from '@nestjs/swagger';
import { Type } from 'class-transformer';
import { IsIn, IsObject, IsOptional, IsString, Matches, MaxLength, ValidateNested } from 'class-validator';
import { AsSent } from '@holdfast/platform-http';
import { SessionTurnFence } from './session-turn-fence.dto.js';
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

export class SessionTurnComplete extends SessionTurnFence {
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
