import { ApiProperty } from '@nestjs/swagger';
import { Type } from 'class-transformer';
import {
  ArrayMaxSize,
  ArrayMinSize,
  ArrayUnique,
  IsArray,
  IsIn,
  IsObject,
  IsString,
  MaxLength,
  MinLength,
  ValidateNested,
} from 'class-validator';
import { AsSent } from '@holdfast/platform-http';
import { OPTION_KINDS, type OptionKind } from '../verdict.rules.js';

/** One of the answers that the agent understands. */
export class SessionInteractionOption {
  @ApiProperty({ minLength: 1, maxLength: 256, description: "The agent's own id of the option." })
  @IsString()
  @MinLength(1)
  @MaxLength(256)
  option_id!: string;

  @ApiProperty({ maxLength: 1024, description: 'What the agent would have people read.' })
  @IsString()
  @MaxLength(1024)
  name!: string;

  @ApiProperty({ enum: OPTION_KINDS, enumName: 'SessionInteractionOptionKind', description: 'What choosing it means.' })
  @IsIn(OPTION_KINDS)
  kind!: OptionKind;
}

/** What a `user_approval` asks. At most 262144 bytes of JSON. */
export class SessionInteractionRequest {
  @ApiProperty({
    type: Object,
    additionalProperties: true,
    description: 'The tool call that waits, as the agent described it (ACP `ToolCallUpdate`).',
  })
  @IsObject()
  @AsSent()
  tool_call!: object;

  @ApiProperty({ type: [SessionInteractionOption], minItems: 1, maxItems: 32, description: 'The answers on offer.' })
  @IsArray()
  @ArrayMinSize(1)
  @ArrayMaxSize(32)
  @ArrayUnique(({ option_id }: SessionInteractionOption) => option_id)
  @ValidateNested({ each: true })
  @Type(() => SessionInteractionOption)
  options!: SessionInteractionOption[];
}
