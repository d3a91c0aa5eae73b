import { ApiProperty, ApiPropertyOptional } from '@nestjs/swagger';
import { Type } from 'class-transformer';
import { IsDefined, IsInt, IsUUID, Matches, Max, Min, ValidateNested } from 'class-validator';
import { LowerCase, MayBeAbsent } from '@holdfast/platform-http';
import { IsSessionId } from '@holdfast/platform-postgres';
import { HARNESS_PATTERN } from '../native-names.rules.js';
import { SessionNativeOrigin } from './session-native-file.dto.js';

/** Makes a conversation of another harness from the records of a session. */
export class SessionNativeConvert {
  @ApiProperty({ description: 'Session whose records are carried over.' })
  @IsSessionId()
  session_id!: string;

  @ApiPropertyOptional({
    format: 'uuid',
    description: 'The turn that is to go on, under its credential; its own records are left out.',
  })
  @MayBeAbsent()
  @LowerCase()
  @IsUUID()
  turn_id?: string;

  @ApiPropertyOptional({ type: 'integer', minimum: 1, description: 'Epoch of the grant, with `turn_id`.' })
  @MayBeAbsent()
  @IsInt()
  @Min(1)
  @Max(Number.MAX_SAFE_INTEGER)
  epoch?: number;

  @ApiProperty({ pattern: HARNESS_PATTERN.source, description: 'Program that is to go on.' })
  @Matches(HARNESS_PATTERN)
  harness!: string;

  @ApiProperty({ description: 'Where it is to go on.' })
  @IsDefined()
  @ValidateNested()
  @Type(() => SessionNativeOrigin)
  origin!: SessionNativeOrigin;
}

/** A record that could not be carried over. */
export class SessionNativeOmission {
  @ApiProperty({ description: 'Record that is missing, wholly or in part.' })
  record_id!: string;

  @ApiProperty({ description: 'What kind of record it is.' })
  type!: string;

  @ApiProperty({ description: 'Why, in a sentence.' })
  reason!: string;
}

/** What became of the records: a conversation, or a text to go before the next prompt. */
export class SessionNativeConverted {
  @ApiProperty({ type: String, format: 'uuid', nullable: true, description: 'The new conversation, if there is one.' })
  conversation_id!: string | null;

  @ApiProperty({ type: String, nullable: true, description: "The harness's own id of it, chosen here." })
  native_id!: string | null;

  @ApiProperty({ type: 'integer', nullable: true, description: 'Its first version.' })
  version!: number | null;

  @ApiProperty({
    type: String,
    nullable: true,
    description: 'What was said before, as text, where no files can be written for the harness.',
  })
  resumption_prompt!: string | null;

  @ApiProperty({ type: [SessionNativeOmission], description: 'What could not be carried over.' })
  omitted!: SessionNativeOmission[];
}
