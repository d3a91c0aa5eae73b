import { ApiProperty, ApiPropertyOptional } from '@nestjs/swagger';
import { Type } from 'class-transformer';
import { IsIn, IsInt, IsString, IsUUID, Matches, Max, MaxLength, Min } from 'class-validator';
import { LowerCase, MayBeAbsent } from '@holdfast/platform-http';
import { IsSessionId } from '@holdfast/platform-postgres';
import { HARNESS_PATTERN, NATIVE_ID_PATTERN } from '../native-names.rules.js';
import { SessionNativeConversation, SessionNativeVersion } from './session-native-conversation.dto.js';
import { SessionNativeFile } from './session-native-file.dto.js';

/**
 * Which version is meant: of the conversation of that id, or of the one that was saved last among those that fit. At
 * least one of `session_id`, `conversation_id` and `native_id` is needed.
 */
export class SessionNativeSelector {
  @ApiPropertyOptional({ description: "Of this session: its head, or with `harness` that program's newest." })
  @MayBeAbsent()
  @IsSessionId()
  session_id?: string;

  @ApiPropertyOptional({ format: 'uuid', description: 'Of this conversation.' })
  @MayBeAbsent()
  @LowerCase()
  @IsUUID()
  conversation_id?: string;

  @ApiPropertyOptional({ pattern: NATIVE_ID_PATTERN.source, description: 'Of what its harness calls so.' })
  @MayBeAbsent()
  @Matches(NATIVE_ID_PATTERN)
  native_id?: string;

  @ApiPropertyOptional({
    pattern: HARNESS_PATTERN.source,
    description: 'The program that is to go on with it. Refused when all that fits otherwise is of another one.',
  })
  @MayBeAbsent()
  @Matches(HARNESS_PATTERN)
  harness?: string;

  @ApiPropertyOptional({ format: 'uuid', description: 'Of this branch; of the main one when absent.' })
  @MayBeAbsent()
  @LowerCase()
  @IsUUID()
  branch_id?: string;

  @ApiPropertyOptional({ type: 'integer', minimum: 1, description: "This version; the branch's newest when absent." })
  @MayBeAbsent()
  @Type(() => Number)
  @IsInt()
  @Min(1)
  @Max(2_147_483_647)
  version?: number;
}

export const CONTENT_SHAPES = ['tar', 'envelope'] as const;

/** Which version is wanted, and in which shape. */
export class SessionNativeContentSelector extends SessionNativeSelector {
  @ApiProperty({
    enum: CONTENT_SHAPES,
    enumName: 'SessionNativeContentShape',
    description: '`tar`: `manifest.json`, then the files by name. `envelope`: one JSON document, see `format`.',
  })
  @IsIn(CONTENT_SHAPES)
  as!: (typeof CONTENT_SHAPES)[number];

  @ApiPropertyOptional({
    maxLength: 64,
    description: "Of an envelope: `claude_code_cli` or `codex_cli`; the one of the conversation's harness when absent.",
  })
  @MayBeAbsent()
  @IsString()
  @MaxLength(64)
  format?: string;
}

/** A version of a conversation and what it is made of. */
export class SessionNativeManifest {
  @ApiProperty({ description: 'Whose version it is.' })
  conversation!: SessionNativeConversation;

  @ApiProperty({ description: 'Which one it is.' })
  version!: SessionNativeVersion;

  @ApiProperty({ type: [SessionNativeFile], description: 'Its files, by name.' })
  files!: SessionNativeFile[];
}
