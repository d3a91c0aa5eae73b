import { ApiProperty, ApiPropertyOptional } from '@nestjs/swagger';
import { IsIn, IsOptional, IsString, MaxLength } from 'class-validator';
import { DECISIONS, type Decision } from '../verdict.rules.js';

/** Somebody's answer to an approval. */
export class SessionInteractionRespond {
  @ApiProperty({
    enum: DECISIONS,
    enumName: 'SessionInteractionDecision',
    description: '`allow` and `allow_always` need an `allow_once` or `allow_always` option; `deny` is always possible.',
  })
  @IsIn(DECISIONS)
  decision!: Decision;

  @ApiPropertyOptional({ maxLength: 4000, description: 'What to tell the agent with it.' })
  @IsOptional()
  @IsString()
  @MaxLength(4000)
  message?: string;
}
