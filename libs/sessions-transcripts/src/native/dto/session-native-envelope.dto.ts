import { ApiProperty, ApiPropertyOptional } from '@nestjs/swagger';
import { IsString, Matches, MaxLength } from 'class-validator';
import { MayBeAbsent } from '@holdfast/platform-http';
import { IsSessionId } from '@holdfast/platform-postgres';

/** What PostgreSQL can keep: a query is not looked through for it, as a body is. */
const STORABLE = /^[^\0]*$/;

/** Where an envelope goes and what it is. */
export class SessionNativeEnvelopeSet {
  @ApiProperty({ description: 'The session. One that does not exist is made.' })
  @IsSessionId()
  session_id!: string;

  @ApiProperty({
    maxLength: 64,
    example: 'codex_cli',
    description: 'Of the envelope: `claude_code_cli` or `codex_cli`.',
  })
  @IsString()
  @MaxLength(64)
  format!: string;

  @ApiPropertyOptional({ maxLength: 4096, description: "The user's home where it was captured, if that is known." })
  @MayBeAbsent()
  @IsString()
  @MaxLength(4096)
  @Matches(STORABLE)
  home?: string;

  @ApiPropertyOptional({ maxLength: 4096, description: "The harness's own folder there, if that is known." })
  @MayBeAbsent()
  @IsString()
  @MaxLength(4096)
  @Matches(STORABLE)
  root?: string;
}
